from frod_bench.tasks.sources.fingerprint import Fingerprint


def digest(*files):
    fingerprint = Fingerprint()
    for name, content in files:
        fingerprint.add(name, content)
    return fingerprint.digest()


def test_order_of_reading_does_not_matter():
    assert digest(("a", b"1"), ("b", b"2")) == digest(("b", b"2"), ("a", b"1"))


def test_names_and_contents_matter():
    files = [("a", b"1")], [("a", b"2")], [("b", b"1")], [("a", b"1"), ("b", b"1")]
    digests = {digest(*group) for group in files}
    assert len(digests) == 4
    assert all(len(value) == len("sha256:") + 64 for value in digests)
