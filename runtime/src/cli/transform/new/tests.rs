//! Names of crates, the way to the SDK, folders that are there already.

use super::*;

/// A folder of its own that is gone afterwards, without links.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidemill-new-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    /// A checkout with an SDK in it.
    fn checkout(&self, name: &str) -> PathBuf {
        let sdk = self.0.join(name).join(SDK);
        fs::create_dir_all(&sdk).unwrap();
        fs::write(sdk.join("Cargo.toml"), "[package]\nname = \"tidemill-sdk\"\n").unwrap();
        sdk
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_name_does_for_a_crate_and_for_a_table() {
    let check = |path: &str| crate_name(Path::new(path)).map_err(|fault| fault.to_string());
    assert_eq!(check("/x/price").unwrap(), "price");
    assert_eq!(check("/x/price_2").unwrap(), "price_2");
    for wrong in ["/x/Price", "/x/2price", "/x/price-list", "/x/tidemill_x", "/x/prix é", "/"] {
        assert!(check(wrong).unwrap_err().starts_with("the name "), "{wrong}");
    }
    for taken in ["/x/match", "/x/core", "/x/gen"] {
        assert!(check(taken).unwrap_err().ends_with("means something else in Rust"), "{taken}");
    }
}

#[test]
fn the_sdk_is_the_named_one_or_lies_above() {
    let folder = Folder::new("sdk");
    let (one, two) = (folder.checkout("one"), folder.checkout("two"));
    let (inside, program) = (folder.0.join("one/my/deep"), folder.0.join("two/target/debug/tidemill"));
    assert_eq!(sdk(None, &inside, &program).unwrap(), one);
    assert_eq!(sdk(None, &folder.0, &program).unwrap(), two);
    assert_eq!(sdk(Some(&two), &inside, &program).unwrap(), two);
    let wrong = sdk(Some(&inside), &inside, &program).unwrap_err();
    assert!(wrong.message().ends_with("is not the crate tidemill-sdk"), "{wrong}");
    let unfound = sdk(None, &folder.0, &folder.0).unwrap_err();
    assert!(unfound.next_step().unwrap().contains("--sdk"), "{unfound}");
}

#[test]
fn the_crate_names_the_sdk_as_seen_from_there() {
    let check =
        |from: &str, to: &str, seen: &str| assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(seen));
    check("/r/price", "/r/transforms/sdk", "../transforms/sdk");
    check("/r/transforms/price", "/r/transforms/sdk", "../../transforms/sdk");
    check("/home/price", "/r/transforms/sdk", "/r/transforms/sdk");
}

#[test]
fn a_folder_is_made_once() {
    let folder = Folder::new("once");
    let sdk = folder.checkout("checkout");
    let price = folder.0.join("price");
    write(&price, "price", &sdk).unwrap();
    let manifest = fs::read_to_string(price.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"price\"") && manifest.contains(&format!("path = {sdk:?}")), "{manifest}");
    for (file, _) in FILES {
        let text = fs::read_to_string(price.join(file)).unwrap();
        assert!(!text.contains("NAME") && !text.contains("SDK"), "{file}: {text}");
    }
    fs::write(price.join("src/lib.rs"), "mine").unwrap();
    let fault = write(&price, "price", &sdk).unwrap_err();
    assert!(fault.message().ends_with("is there already, and is left as it is"), "{fault}");
    assert_eq!(fs::read_to_string(price.join("src/lib.rs")).unwrap(), "mine");
    let nowhere = write(&folder.0.join("no/price"), "price", &sdk).unwrap_err();
    assert!(nowhere.message().ends_with("there is no folder to make it in"), "{nowhere}");
}
