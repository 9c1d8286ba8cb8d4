"""Side by side with what others use, in one run each; read the ratios, the absolute figures belong to the machine.

    python -m benchmarks.extract    recordings to spectrograms, against a librosa pipeline on the same bytes
    python -m benchmarks.storage    size, speed and error of ways to store a spectrogram in Parquet
    python -m benchmarks.published  how near front end `gtzan-published` comes to the published GTZAN spectrograms
    python -m benchmarks.descriptors, .protocols    the 57 descriptors, and baselines under four protocols
    python -m benchmarks.networks   ONNX Runtime against eager PyTorch, int8 against float, Ray Train against a plain loop
    python -m benchmarks.ablation   what each part of `compact` is worth
    python -m benchmarks.from_audio recordings against published spectrograms, and labels that change
    python -m benchmarks.label      labelling: one process against librosa and PyTorch, the whole job against lines, memory
    python -m benchmarks.plan, .listing, .commits   a night's plan, listings and commits by the number of objects
    python -m benchmarks.audit      copies that an audit finds, false pairs, and its cost by the number of tracks
    python -m benchmarks.live       seconds until the live label notices another song, with noise and denoising

Each but ablation takes --json FILE. Times are CPU seconds of this process, all threads added up.
"""
