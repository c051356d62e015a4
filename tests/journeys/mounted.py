"""Secrets as a cluster brings them to a service that runs."""

from pathlib import Path


class Mounted:
    """A folder of secrets as Kubernetes mounts it: links through `..data`, swapped at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0

    def write(self, **secrets: str) -> None:
        self._version += 1
        version = self.folder / f"..version_{self._version}"
        version.mkdir(parents=True)
        for name, text in secrets.items():
            file = name.replace("_", "-")
            (version / file).write_text(text)
            link = self.folder / file
            if not link.is_symlink():
                link.symlink_to(f"..data/{file}")
        swapped = self.folder / "..data_tmp"
        swapped.symlink_to(version.name)
        swapped.rename(self.folder / "..data")
