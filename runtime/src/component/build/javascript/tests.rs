//! The search for node and for packages, and what is said where one is missing.

use super::super::tests::Folder;
use super::*;

const INSTALLED: [&str; 2] =
    ["node_modules/@bytecodealliance/componentize-js/package.json", "node_modules/esbuild/package.json"];

#[test]
fn packages_are_found_near_the_package_first() {
    let all = Folder::new("js-all", &INSTALLED);
    let built = Folder::new("js-built", &INSTALLED);
    let half = Folder::new("js-half", &INSTALLED[..1]);
    let check = |folder: &Path, place: &Path| {
        let found = toolchain(folder, Some("/bin/node".into()), [built.0.clone()].into_iter()).unwrap();
        assert_eq!(found, Toolchain { node: "/bin/node".into(), modules: place.join("node_modules") });
    };
    check(&all.0, &all.0);
    check(&all.0.join("inside"), &all.0);
    check(&half.0, &built.0);
}

#[test]
fn what_is_missing_is_named_with_its_command() {
    let folder = Folder::new("js-none", &[]);
    let at = folder.0.display();
    let fault = |node: Option<&str>| toolchain(&folder.0, node.map(PathBuf::from), std::iter::empty()).unwrap_err();
    assert_eq!(fault(None).message(), "there is no program \"node\" here, which makes components of JavaScript");
    assert!(fault(None).next_step().unwrap().contains("apt-get install nodejs npm"));
    let all = "@bytecodealliance/componentize-js@0.23.0 esbuild@0.25.12";
    let command = format!("`cd {at} && npm install --save-dev --save-exact {all}`");
    assert_eq!(fault(Some("node")).next_step(), Some(command.as_str()));
    folder.write("package.json", r#"{"devDependencies": {"@bytecodealliance/componentize-js": "1", "esbuild": "1"}}"#);
    assert_eq!(fault(Some("node")).next_step(), Some(format!("`cd {at} && npm install`").as_str()));
}
