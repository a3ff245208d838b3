//! The search for componentize-py, for sources, and what pyproject.toml has to say.

use super::super::tests::Folder;
use super::*;

#[test]
fn the_tool_is_found_near_the_package_first() {
    let near = Folder::new("py-near", &[".venv/bin/componentize-py", "package/pyproject.toml"]);
    let built = Folder::new("py-built", &["venv/bin/componentize-py"]);
    let active = Folder::new("py-active", &["bin/componentize-py"]);
    let check = |folder: &Path, active: Option<&Path>, on_path: Option<&str>, expected: &Path| {
        let built = [built.0.clone()].into_iter();
        assert_eq!(tool(folder, active.map(Path::to_owned), on_path.map(PathBuf::from), built).unwrap(), expected);
    };
    let (far, on_path) = (Path::new("/nowhere/package"), "/bin/sh");
    check(&near.0.join("package"), Some(&active.0), Some(on_path), &near.0.join(".venv/bin/componentize-py"));
    check(far, Some(&active.0), None, &active.0.join("bin/componentize-py"));
    check(Path::new("/"), None, None, &built.0.join("venv/bin/componentize-py"));
}

#[test]
fn what_is_missing_is_named_with_its_command() {
    let folder = Folder::new("py-none", &[]);
    let hint = || tool(&folder.0, None, None, std::iter::empty()).unwrap_err().next_step().unwrap().to_owned();
    let go = format!("`cd {} && python3 -m venv .venv && .venv/bin/pip install", folder.0.display());
    assert!(hint().ends_with(&format!("{go} componentize-py==0.25.1`")), "{}", hint());
    folder.write("requirements.txt", "componentize-py==0.25.1\n");
    assert!(hint().ends_with(&format!("{go} -r requirements.txt`")), "{}", hint());
}

#[test]
fn sources_are_the_packages_own() {
    let files = ["clean.py", "inside/more.py", "data.json", ".hidden/x.py", "env2/pyvenv.cfg", "env2/lib/x.py"];
    let folder = Folder::new("py-sources", &files);
    assert_eq!(sources(&folder.0).unwrap(), [Path::new("clean.py"), Path::new("inside/more.py")]);
}

#[test]
fn the_manifest_names_package_and_module() {
    let folder = Folder::new("py-manifest", &["clean.py", "price/clean.py"]);
    let entry = |text: &str| {
        folder.write("pyproject.toml", text);
        entry(&folder.0)
    };
    let project = "[project]\nname = \"price\"\ndescription = \"It is \\\"clean\\\".\"\n";
    let made = entry(project).unwrap();
    assert!(made.contains(r#"import_module("clean"), "price", "0.0.0", "It is \"clean\".")"#), "{made}");
    let with = |module: &str| entry(&format!("{project}[tool.tidemill]\nmodule = {module:?}\n"));
    assert!(with("price.clean").unwrap().contains("import_module(\"price.clean\")"));
    assert!(with("other").unwrap_err().message().starts_with("it has no other.py"));
    assert!(with("a\"b").unwrap_err().message().ends_with("is no module's name"));
    let nameless = entry("[project]\nversion = \"1\"\n").unwrap_err();
    assert!(nameless.message().starts_with("pyproject.toml: missing field `name`"), "{nameless}");
}
