"""What Sfumato is meant to reach, and what a race measured of it."""

ONE_THREAD, VECTORS = "sfumato-one-thread", "sfumato-vectors"

# What: (at most, or better still), as ratios to the fastest or smallest rival where it does not say otherwise.
UNET_512, UNET_256, VAE_512 = (0.70, 0.55), (0.80, 0.65), (0.55, 0.45)
PICTURE, MEMORY, LOAD = (0.70, 0.55), (1.0, 0.7), (0.5, 0.2)
BOZZETTO_S, THREADS = (1.0, 0.5), (1.8, 1.9)


def is_ours(name):
    return name.startswith("sfumato")


def fastest(figures, what="median_s", precise=True):
    """The name of the rival with the least of something; `precise` leaves out those that multiply in bf16."""
    rivals = [name for name in figures if not is_ours(name) and what in figures[name] and not (precise and "bf16" in name)]
    return min(rivals, key=lambda name: figures[name][what], default=None)


def table(found, bozzetto_s):
    """Markdown, of as many aims as were raced for. `found` is what the race writes as JSON; `bozzetto_s` what `sfumato bench` takes."""
    rows = []

    def row(name, aim, value, words, least=False, by_vectors=""):
        met = [value >= bound if least else value <= bound for bound in aim]
        verdict = "past the dream" if met[1] else "met" if met[0] else f"missed by {abs(value / aim[0] - 1):.0%}"
        rows.append(f"| {name} | {aim[0]} | {aim[1]} | {words} | {verdict} | {by_vectors} |")

    def ratio(name, aim, case, what="median_s", unit="s", precise=True):
        figures = found.get(case, {})
        rival = fastest(figures, what, precise)
        if rival and what in figures.get("sfumato", {}):
            ours, theirs = figures["sfumato"][what], figures[rival][what]
            vectors = f"{figures[VECTORS][what] / theirs:.2f}" if what in figures.get(VECTORS, {}) else ""
            words = f"{ours / theirs:.2f}: {ours:.4g} {unit} to {rival}'s {theirs:.4g}"
            row(name, aim, ours / theirs, words, by_vectors=vectors)

    ratio("U-Net forward, 512", UNET_512, "unet-512")
    ratio("U-Net forward, 256", UNET_256, "unet-256")
    ratio("VAE decode, 512", VAE_512, "vae-512")
    ratio("whole picture, 512, 20 steps with guidance, from a cold start", PICTURE, "picture-512")
    ratio("peak memory of that picture, weights in f16", MEMORY, "picture-512", "peak_mib", "MiB", precise=False)
    for size in (256, 512):
        ratio(f"load to first step, {size}", LOAD, f"unet-{size}", "load_s")
    row("Bozzetto, 20 steps with guidance, loaded and decoded", BOZZETTO_S, bozzetto_s, f"{bozzetto_s:.2f} s")
    figures = found.get("unet-512", {})
    if ONE_THREAD in figures and "sfumato" in figures:
        gain = figures[ONE_THREAD]["median_s"] / figures["sfumato"]["median_s"]
        row("U-Net forward, 512: two threads to one", THREADS, gain, f"{gain:.2f}", least=True)
    lines = ["| aim, in f32, to the fastest rival of f32 | must | dream | measured | | by vectors |", "| --- | --- | --- | --- | --- | --- |"]
    # Rivals of f32 keep 24 bits of each factor.
    note = "Where the processor has AMX, Sfumato multiplies f32 as two bf16 each, 16 bits; by vectors it keeps 24."
    return "\n".join([*lines, *rows, "", note])
