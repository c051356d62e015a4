"""The language and media type that GitHub gives a file, by the end of its name."""

from pathlib import PurePosixPath

_LANGUAGES = {
    ".c": ("C", "text/plain"),
    ".clj": ("Clojure", "text/plain"),
    ".cpp": ("C++", "text/plain"),
    ".css": ("CSS", "text/css"),
    ".csv": ("CSV", "text/csv"),
    ".ex": ("Elixir", "text/plain"),
    ".go": ("Go", "text/plain"),
    ".hs": ("Haskell", "text/plain"),
    ".html": ("HTML", "text/html"),
    ".java": ("Java", "text/plain"),
    ".js": ("JavaScript", "text/javascript"),
    ".json": ("JSON", "application/json"),
    ".kt": ("Kotlin", "text/plain"),
    ".lua": ("Lua", "text/plain"),
    ".md": ("Markdown", "text/markdown"),
    ".php": ("PHP", "text/plain"),
    ".png": (None, "image/png"),
    ".py": ("Python", "application/x-python"),
    ".rb": ("Ruby", "application/x-ruby"),
    ".rs": ("Rust", "text/plain"),
    ".sh": ("Shell", "application/x-sh"),
    ".sql": ("SQL", "application/sql"),
    ".toml": ("TOML", "application/toml"),
    ".ts": ("TypeScript", "text/plain"),
    ".txt": ("Text", "text/plain"),
    ".yml": ("YAML", "text/x-yaml"),
}


def language_of(filename: str) -> str | None:
    """GitHub's name of the language, None for a name it does not know."""
    return _LANGUAGES.get(PurePosixPath(filename).suffix.lower(), (None, ""))[0]


def media_type_of(filename: str) -> str:
    return _LANGUAGES.get(PurePosixPath(filename).suffix.lower(), (None, "text/plain"))[1]
