//! A package in Python, put into an interpreter by componentize-py.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::scratch::Scratch;
use super::stamp::Stamp;
use super::{Recipe, WIT, languages, on_path};
use crate::error::{Error, Kind, OrFail, Result};

/// The version of componentize-py that is known to do.
const VERSION: &str = "0.25.1";
/// The module in which a package has its transform, unless it says otherwise.
const MODULE: &str = "clean";
/// The module that is written here, which componentize-py begins with.
const ENTRY: &str = "tidemill_component";
/// Where the SDK lies in a checkout of Tidemill.
const SDK: &str = "transforms/sdk-python";
/// Folders in which people keep virtual environments.
const ENVIRONMENTS: [&str; 3] = [".venv", "venv", "env"];
/// Folders within one another; a link that leads back up has an end here.
const DEPTH_MAX: usize = 16;

/// What pyproject.toml says, as far as it matters.
#[derive(Deserialize)]
struct Manifest {
    project: Project,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Project {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    description: String,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    tidemill: Settings,
}

#[derive(Default, Deserialize)]
struct Settings {
    module: Option<String>,
}

/// Gathers the package's sources, which tell what it is made of.
pub(super) fn recipe(folder: &Path, scratch: &Scratch) -> Result<Recipe> {
    let program = std::env::current_exe().unwrap_or_default();
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let tool = tool(folder, active, on_path("componentize-py"), languages(&program))?;
    let version = version(&tool)?;
    let environment = environment(&tool);
    let sdk = sdk(folder, &tool, &program)?;
    let entry = entry(folder)?;
    let mut parts = vec![entry.clone().into_bytes(), version.clone().into_bytes(), WIT.as_bytes().to_vec()];
    let app = scratch.path().join("app");
    for (from, to) in [(folder, PathBuf::from("app")), (&sdk, PathBuf::from("app/tidemill_sdk"))] {
        for name in sources(from)? {
            let text = fs::read(from.join(&name)).or_fail(Kind::Storage, || format!("file {:?}", from.join(&name)))?;
            scratch.write(to.join(&name), &text)?;
            parts.extend([to.join(&name).to_string_lossy().into_owned().into_bytes(), text]);
        }
    }
    scratch.write(app.join(format!("{ENTRY}.py")), entry)?;
    parts.extend(environment.iter().flat_map(|environment| distributions(environment)).map(String::into_bytes));
    let mut command = Command::new(&tool);
    command.arg("--wit-path").arg(scratch.path().join("transform.wit")).args(["--world", "transform", "componentize"]);
    // What asks for files, a clock or chance traps; the host offers none of them.
    command.arg("--stub-wasi").arg("--python-path").arg(&app).arg("--output").arg(scratch.component()).arg(ENTRY);
    command.current_dir(scratch.path());
    match environment {
        // Its packages go in too, as far as they are imported.
        Some(environment) => command.env("VIRTUAL_ENV", environment),
        None => &mut command,
    };
    let stamp = Stamp::of(parts.iter().map(Vec::as_slice));
    Ok(Recipe { stamp, command, tool: format!("componentize-py {version}") })
}

/// The module that joins the package's transform to the contract.
fn entry(folder: &Path) -> Result<String> {
    let path = folder.join("pyproject.toml");
    let text = fs::read_to_string(&path).or_fail(Kind::Storage, || "pyproject.toml")?;
    let Manifest { project, tool } = toml::from_str(&text)
        .map_err(|cause| Error::new(Kind::Input, format!("pyproject.toml: {}", cause.message())))
        .map_err(|fault| fault.hint("write [project] with a name, a version and a description"))?;
    let module = tool.tidemill.module.unwrap_or_else(|| MODULE.to_owned());
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !module.split('.').all(is_name) {
        return Err(Error::new(
            Kind::Input,
            format!("pyproject.toml: tool.tidemill.module: {module:?} is no module's name"),
        ));
    }
    let inside = module.replace('.', "/");
    if ![format!("{inside}.py"), format!("{inside}/__init__.py")].iter().any(|file| folder.join(file).is_file()) {
        return Err(Error::new(Kind::Missing, format!("it has no {inside}.py, in which its transform would be"))
            .hint("name another module in pyproject.toml: module = \"MODULE\" under [tool.tidemill]"));
    }
    let version = if project.version.is_empty() { "0.0.0" } else { &project.version };
    // A text of JSON is one of Python's too.
    let [name, version, summary] = [&project.name, version, &project.description].map(|text| serde_json::json!(text));
    Ok(format!(
        "# The package's transform, joined to the contract.\nimport importlib\n\nfrom tidemill_sdk.guest import world\n\n\
         WitWorld = world(importlib.import_module(\"{module}\"), {name}, {version}, {summary})\n"
    ))
}

/// componentize-py: in an environment beside the package or around it, in the active one, on the path, or as it came with this program's build.
fn tool(
    folder: &Path,
    active: Option<PathBuf>,
    on_path: Option<PathBuf>,
    built: impl Iterator<Item = PathBuf>,
) -> Result<PathBuf> {
    let inside = |environment: PathBuf| environment.join("bin/componentize-py");
    let within = |place: &Path| ENVIRONMENTS.map(|name| inside(place.join(name)));
    let near = folder.ancestors().flat_map(within).chain(active.map(inside)).chain(on_path);
    near.chain(built.flat_map(|place| within(&place))).find(|path| path.is_file()).ok_or_else(|| {
        let asks =
            fs::read_to_string(folder.join("requirements.txt")).is_ok_and(|text| text.contains("componentize-py"));
        let what = if asks { "-r requirements.txt".to_owned() } else { format!("componentize-py=={VERSION}") };
        let go = format!("cd {} && python3 -m venv .venv && .venv/bin/pip install {what}", folder.display());
        Error::new(Kind::Missing, "there is no program \"componentize-py\" here, which makes components of Python")
            .hint(format!("with Python 3.10 or newer (on Debian: `apt-get install python3 python3-venv`): `{go}`"))
    })
}

fn version(tool: &Path) -> Result<String> {
    let answer = Command::new(tool).arg("--version").output().or_fail(Kind::Missing, || format!("program {tool:?}"))?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    match text.split_whitespace().last() {
        Some(version) if answer.status.success() => Ok(version.to_owned()),
        _ => {
            let said = String::from_utf8_lossy(&answer.stderr).into_owned();
            Err(Error::new(Kind::Missing, format!("program {tool:?} does not run: {}", said.trim()))
                .hint(format!("install it again: `pip install componentize-py=={VERSION}`")))
        }
    }
}

/// The virtual environment that a program stands in.
fn environment(tool: &Path) -> Option<PathBuf> {
    let root = tool.parent()?.parent()?;
    root.join("pyvenv.cfg").is_file().then(|| root.to_owned())
}

/// The folder of the SDK's modules: as the environment's Python imports it, else of a checkout around the package or this program.
fn sdk(folder: &Path, tool: &Path, program: &Path) -> Result<PathBuf> {
    let beside = tool.with_file_name("python3");
    let python = if beside.is_file() { beside } else { PathBuf::from("python3") };
    let ask = "import os, tidemill_sdk; print(os.path.dirname(os.path.abspath(tidemill_sdk.__file__)))";
    let answer = Command::new(python).args(["-B", "-c", ask]).current_dir(folder).output().ok();
    let imported =
        answer.filter(|answer| answer.status.success()).and_then(|answer| String::from_utf8(answer.stdout).ok());
    let around = folder.ancestors().chain(program.ancestors()).map(|above| above.join(SDK).join("tidemill_sdk"));
    let mut all = imported.map(|path| PathBuf::from(path.trim_end())).into_iter().chain(around);
    all.find(|path| path.join("guest.py").is_file()).ok_or_else(|| {
        Error::new(Kind::Missing, "the SDK is not found: Python imports no tidemill_sdk")
            .hint(format!("get Tidemill's sources, then: `pip install PATH/TO/tidemill/{SDK}`"))
    })
}

/// The Python files under `folder`, in order, without those of environments and hidden folders: all that goes into the component.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((inside, depth)) = open.pop() {
        let path = folder.join(&inside);
        let entries = path.read_dir().or_fail(Kind::Storage, || format!("folder {path:?}"))?;
        for entry in entries {
            let entry = entry.or_fail(Kind::Storage, || format!("folder {path:?}"))?;
            let (name, path) = (inside.join(entry.file_name()), entry.path());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if path.is_dir() && !hidden && depth < DEPTH_MAX && !path.join("pyvenv.cfg").is_file() {
                open.push((name, depth + 1));
            } else if path.is_file() && path.extension().is_some_and(|end| end == "py") {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The packages that are installed in an environment, with their versions, in order.
fn distributions(environment: &Path) -> Vec<String> {
    let libraries = environment.join("lib").read_dir().into_iter().flatten().flatten();
    let packages =
        libraries.filter_map(|library| library.path().join("site-packages").read_dir().ok()).flatten().flatten();
    let names = packages.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".dist-info")).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
