"""ONNX Runtime, in f32: its CPU kernels know no other precision of the networks' operations."""

import numpy
import onnxruntime

from worker import inputs, job, paint, serve


def network(job, part):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    session = onnxruntime.InferenceSession(
        job.files.onnx / part / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    kinds = {"tensor(int64)": numpy.int64, "tensor(float)": numpy.float32}
    kinds = {input_.name: kinds[input_.type] for input_ in session.get_inputs()}
    return lambda **given: session.run(None, {name: value.astype(kinds[name]) for name, value in given.items()})[0]


job = job()
if job.png:
    paint(job, lambda part, shapes: network(job, part))
else:
    loaded, given = network(job, job.part), inputs(job)
    serve(lambda: loaded(**given))
