"""Caches, from recorded files."""

import pathlib

from edgelstm.execution.caches import Cache, data_caches, private_bytes


def tree(folder: pathlib.Path, siblings: str, *caches: tuple[str, str, str, str]) -> pathlib.Path:
    """A root: level, type, size and sharers of each cache."""
    at = folder / "sys/devices/system/cpu/cpu0"
    (at / "topology").mkdir(parents=True)
    (at / "topology/thread_siblings_list").write_text(f"{siblings}\n")
    for k, texts in enumerate(caches):
        (at / f"cache/index{k}").mkdir(parents=True)
        for name, text in zip(("level", "type", "size", "shared_cpu_list"), texts, strict=True):
            (at / f"cache/index{k}" / name).write_text(f"{text}\n")
    return folder


def test_the_largest_cache_of_one_core_is_found(tmp_path: pathlib.Path) -> None:
    root = tree(
        tmp_path,
        "0,8",
        ("3", "Unified", "32M", "0-15"),
        ("1", "Data", "32K", "0,8"),
        ("1", "Instruction", "64K", "0,8"),
        ("2", "Unified", "1024K", "0,8"),
    )
    assert data_caches(root) == [
        Cache(1, 32 << 10, True),
        Cache(2, 1 << 20, True),
        Cache(3, 32 << 20, False),
    ]
    assert private_bytes(root) == 1 << 20


def test_a_cache_that_cores_share_is_not_private(tmp_path: pathlib.Path) -> None:
    root = tree(tmp_path, "0", ("1", "Data", "32K", "0"), ("2", "Unified", "1M", "0-3"))
    assert private_bytes(root) == 32 << 10


def test_what_is_not_told_is_not_known(tmp_path: pathlib.Path) -> None:
    assert (data_caches(tmp_path), private_bytes(tmp_path)) == ([], None)
    root = tree(tmp_path, "", ("1", "Data", "32K", ""), ("2", "Unified", "", "0"))
    assert data_caches(root) == [Cache(1, 32 << 10, False)]
    assert private_bytes(root) is None
