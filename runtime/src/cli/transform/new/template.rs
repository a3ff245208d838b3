//! What a transform begins with, in each language.

/// The files of a folder, `NAME` and `SDK` to be filled in, and what goes with them.
pub(super) struct Template {
    /// Where the SDK lies in a checkout of Tidemill.
    pub(super) sdk: &'static str,
    /// The SDK's own manifest, by which its folder is known.
    pub(super) manifest: &'static str,
    /// The path of the SDK as it is written in a file.
    pub(super) written: fn(&str) -> String,
    /// The files' names and texts.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What the pipeline file says of limits.
    pub(super) limits: &'static str,
    /// A file beside the SDK's folder that is copied: the SDK's own versions, known to fit, and perhaps built already.
    pub(super) lock: Option<&'static str>,
    /// Names that the folder may not have: what they mean otherwise is said in [`Template::taken_by`].
    pub(super) taken: &'static [&'static str],
    /// Who else uses these names.
    pub(super) taken_by: &'static str,
    /// The command that tests it, `NAME` being the folder.
    pub(super) test: &'static str,
}

/// The files that are the same in every language.
const PIPELINE: &str = include_str!("../template/pipeline.toml");
const SAMPLE: &str = include_str!("../template/sample.jsonl");

pub(super) const RUST: Template = Template {
    sdk: "transforms/sdk",
    manifest: "Cargo.toml",
    written: |path| format!("{path:?}"),
    files: &[
        ("Cargo.toml", include_str!("../template/rust/crate.toml")),
        ("src/lib.rs", include_str!("../template/rust/lib.rs")),
        ("sample.jsonl", SAMPLE),
        ("pipeline.toml", PIPELINE),
        (".gitignore", include_str!("../template/rust/ignored")),
    ],
    limits: "",
    lock: Some("Cargo.lock"),
    taken: &RUST_WORDS,
    taken_by: "Rust",
    test: "cargo test --manifest-path NAME/Cargo.toml",
};

pub(super) const JAVASCRIPT: Template = Template {
    sdk: "transforms/sdk-js",
    manifest: "package.json",
    written: |path| format!("{:?}", format!("file:{path}")),
    files: &[
        ("package.json", include_str!("../template/js/package.json")),
        ("src/index.js", include_str!("../template/js/index.js")),
        ("test/clean.test.js", include_str!("../template/js/clean.test.js")),
        ("sample.jsonl", SAMPLE),
        ("pipeline.toml", PIPELINE),
        (".gitignore", include_str!("../template/js/ignored")),
    ],
    limits: include_str!("../template/js/limits.toml"),
    lock: None,
    // npm installs no package into itself.
    taken: &["esbuild", "node_modules"],
    taken_by: "npm",
    test: "(cd NAME && npm install && npm test)",
};

pub(super) const PYTHON: Template = Template {
    sdk: "transforms/sdk-python",
    manifest: "pyproject.toml",
    written: str::to_owned,
    files: &[
        ("pyproject.toml", include_str!("../template/python/pyproject.toml")),
        ("requirements.txt", include_str!("../template/python/requirements.txt")),
        ("clean.py", include_str!("../template/python/clean.py")),
        ("test_clean.py", include_str!("../template/python/test_clean.py")),
        ("sample.jsonl", SAMPLE),
        ("pipeline.toml", PIPELINE),
        (".gitignore", include_str!("../template/python/ignored")),
    ],
    limits: include_str!("../template/python/limits.toml"),
    lock: None,
    // The transform's module is `clean`, whatever the folder is called.
    taken: &[],
    taken_by: "Python",
    test: "(cd NAME && python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m unittest)",
};

/// Names that no crate may have: what every crate has in reach, then Rust's keywords.
const RUST_WORDS: [&str; 47] = [
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "static",
    "struct",
    "trait",
    "true",
    "try",
    "type",
    "while",
];
