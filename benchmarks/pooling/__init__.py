"""`python -m benchmarks pooling`: poolings of published networks, ours and PyTorch's.

problems      what is pooled
contestants   who pools
run           everyone takes turns; the table and pooling.json
"""
