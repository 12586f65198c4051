"""OpenVINO with weights stored in f16. It computes in f32, or in bf16 where `PRECISION` says so: what it does by itself on processors
that multiply bf16."""

import os

import openvino

from worker import inputs, job, paint, serve


def network(job, part, shapes):
    core = openvino.Core()
    # A program that a person uses every day keeps what was compiled; in bf16 it breaks off where it meets what f32 has kept.
    kept = job.files.openvino / f"cache-{os.environ['PRECISION']}"
    core.set_property({"CACHE_DIR": str(kept)} if job.png else {})
    model = core.read_model(job.files.openvino / f"{part}.xml")
    model.reshape(shapes)
    settings = {
        "INFERENCE_NUM_THREADS": job.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": os.environ["PRECISION"],
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda **given: request.infer(given)[0].copy()


job = job()
if job.png:
    paint(job, lambda part, shapes: network(job, part, shapes))
else:
    given = inputs(job)
    loaded = network(job, job.part, {name: list(value.shape) for name, value in given.items()})
    serve(lambda: loaded(**given))
