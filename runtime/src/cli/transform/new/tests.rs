//! Names of folders, the way to the SDK, folders that are there already.

use super::*;

const TEMPLATES: [Template; 3] = [template::RUST, template::JAVASCRIPT, template::PYTHON];

/// A folder of its own that is gone afterwards, without links.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidemill-new-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    /// A checkout with SDKs in it; the one for Rust.
    fn checkout(&self, name: &str) -> PathBuf {
        let manifests = [
            "[package]\nname = \"tidemill-sdk\"\n",
            "{\n  \"name\": \"tidemill-sdk\",\n}",
            "[project]\nname = \"tidemill-sdk\"\n",
        ];
        for (template, text) in TEMPLATES.iter().zip(manifests) {
            let sdk = self.0.join(name).join(template.sdk);
            fs::create_dir_all(&sdk).unwrap();
            fs::write(sdk.join(template.manifest), text).unwrap();
        }
        self.0.join(name).join(template::RUST.sdk)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_name_does_for_a_crate_and_for_a_table() {
    let check = |path: &str| checked_name(Path::new(path), &template::RUST).map_err(|fault| fault.to_string());
    assert_eq!(check("/x/price").unwrap(), "price");
    assert_eq!(check("/x/price_2").unwrap(), "price_2");
    for wrong in ["/x/Price", "/x/2price", "/x/price-list", "/x/tidemill_x", "/x/prix é", "/"] {
        assert!(check(wrong).unwrap_err().starts_with("the name "), "{wrong}");
    }
    for taken in ["/x/match", "/x/core", "/x/gen"] {
        assert!(check(taken).unwrap_err().ends_with("means something else in Rust"), "{taken}");
        assert!(checked_name(Path::new(taken), &template::PYTHON).is_ok(), "{taken}");
    }
}

#[test]
fn the_sdk_is_the_named_one_or_lies_above() {
    let folder = Folder::new("sdk");
    let (one, two) = (folder.checkout("one"), folder.checkout("two"));
    let (inside, program) = (folder.0.join("one/my/deep"), folder.0.join("two/target/debug/tidemill"));
    let find = |given: Option<&Path>, here: &Path, program: &Path| sdk(&template::RUST, given, here, program);
    assert_eq!(find(None, &inside, &program).unwrap(), one);
    assert_eq!(find(None, &folder.0, &program).unwrap(), two);
    assert_eq!(find(Some(two.as_path()), &inside, &program).unwrap(), two);
    let wrong = find(Some(inside.as_path()), &inside, &program).unwrap_err();
    assert!(wrong.message().contains("is not tidemill-sdk: its Cargo.toml is not there"), "{wrong}");
    for template in TEMPLATES {
        assert_eq!(sdk(&template, None, &inside, &program).unwrap(), folder.0.join("one").join(template.sdk));
    }
    let unfound = find(None, &folder.0, &folder.0).unwrap_err();
    assert!(unfound.next_step().unwrap().contains("--sdk"), "{unfound}");
}

#[test]
fn the_crate_names_the_sdk_as_seen_from_there() {
    let check = |from: &str, to: &str, seen: &str| {
        assert_eq!(relative(Path::new(from), Path::new(to), "transforms/sdk"), Path::new(seen))
    };
    check("/r/price", "/r/transforms/sdk", "../transforms/sdk");
    check("/r/transforms/price", "/r/transforms/sdk", "../../transforms/sdk");
    check("/home/price", "/r/transforms/sdk", "/r/transforms/sdk");
}

#[test]
fn a_folder_is_made_once() {
    let folder = Folder::new("once");
    let sdk = folder.checkout("checkout");
    let price = folder.0.join("price");
    write(&price, "price", &template::RUST, &sdk).unwrap();
    let manifest = fs::read_to_string(price.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"price\"") && manifest.contains(&format!("path = {sdk:?}")), "{manifest}");
    fs::write(price.join("src/lib.rs"), "mine").unwrap();
    let fault = write(&price, "price", &template::RUST, &sdk).unwrap_err();
    assert!(fault.message().ends_with("is there already, and is left as it is"), "{fault}");
    assert_eq!(fs::read_to_string(price.join("src/lib.rs")).unwrap(), "mine");
    let nowhere = write(&folder.0.join("no/price"), "price", &template::RUST, &sdk).unwrap_err();
    assert!(nowhere.message().ends_with("there is no folder to make it in"), "{nowhere}");
}

#[test]
fn all_is_filled_in() {
    let folder = Folder::new("filled");
    folder.checkout("checkout");
    for (nth, template) in TEMPLATES.iter().enumerate() {
        let (made, sdk) = (folder.0.join(format!("price{nth}")), folder.0.join("checkout").join(template.sdk));
        let files = write(&made, "price", template, &sdk).unwrap();
        let mut texts = String::new();
        for file in files {
            let text = fs::read_to_string(made.join(file)).unwrap();
            assert!(!text.contains("NAME") && !text.contains("SDK"), "{file}: {text}");
            texts += &text;
        }
        assert!(texts.contains(&(template.written)(sdk.to_str().unwrap())), "{texts}");
    }
}
