//! A component that was compiled, asked what it is, and found in order.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow_schema::SchemaRef;
use sha2::{Digest, Sha256};
use wasmtime::Engine;

use super::bindings::{Transform, TransformPre};
use super::budget::Budget;
use super::description::{self, Description};
use super::failure::{Failure, plain};
use super::host::Host;
use super::instance::{self, Instance};
use super::limits::{Limit, Limits};
use super::patience::Ended;
use super::shape;
use crate::error::{Error, Kind, Result};
use crate::schema;

/// What a component may export: all of these, nothing else.
const EXPORTS: [&str; 3] = ["describe", "configure", "apply"];
/// What a component may import: the log, and the interface that only names types.
const IMPORTS: [&str; 2] = ["log", "tidemill:transform/columns@0.1.0"];
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component that is ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) host: Host,
    pub(super) pre: TransformPre<Budget>,
    pub(super) name: Arc<str>,
    pub(super) limits: Limits,
    pub(super) outputs: SchemaRef,
    /// Set when wasmtime panicked on this component; it then stays out of service.
    pub(super) quarantine: OnceLock<Failure>,
    description: Description,
    digest: String,
}

impl Component {
    /// The sha256 of its bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// The time that the calls for one chunk of rows may take together.
    pub fn budget(&self) -> Duration {
        self.inner.limits.budget
    }

    /// The error of rows that were given up because their chunk's budget was used up; `last` is what failed at the end.
    pub fn over_budget(&self, last: &Error) -> Error {
        let what = format!("the budget of its chunk was used up: {last}");
        self.inner.limits.exceeded(Limit::Budget, &what).within(format!("transform {:?}", self.inner.name))
    }

    /// An instance of its own memory, configured with `parameters`, a JSON object.
    ///
    /// Errors when it traps, takes too long, or refuses the parameters.
    pub fn instantiate(&self, parameters: &str) -> Result<Instance> {
        Instance::new(self.clone(), parameters)
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("name", &self.inner.name).field("digest", &self.inner.digest).finish()
    }
}

/// The sha256 of a component's bytes, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn load(host: &Host, bytes: &[u8], limits: &Limits) -> Result<Component> {
    if bytes.len() > limits.component_bytes_max {
        return Err(limits.exceeded(Limit::Component, &format!("component: it has {} bytes", bytes.len())));
    }
    check_form(bytes)?;
    host.trust().check(bytes)?;
    let digest = digest(bytes);
    let unnamed: Arc<str> = digest.get(..12).unwrap_or_default().into();
    shape::check(bytes, limits)?;
    let pre = host.patience.compile(limits.compile, || compile(host, bytes)).map_err(|ended| match ended {
        Ended::TimeUp => limits.exceeded(Limit::Compile, "component: it takes too long to compile"),
        Ended::Panicked(payload) => Failure::panicked(&unnamed, payload.as_ref()).into_error(),
    })??;
    let described = describe(host, &pre, &unnamed, limits).map_err(Failure::into_error)?;
    let description = description::checked(described).map_err(|fault| fault.within("component: description"))?;
    Ok(Component {
        inner: Arc::new(Inner {
            host: host.clone(),
            pre,
            name: description.name.as_str().into(),
            limits: limits.clone(),
            outputs: schema::arrow_schema(&description.outputs),
            quarantine: OnceLock::new(),
            description,
            digest,
        }),
    })
}

/// Refuses what does not begin as a component does.
pub(super) fn check_form(bytes: &[u8]) -> Result<()> {
    let wrong = |what: &str| Error::new(Kind::Input, format!("component: {what}"));
    if bytes.starts_with(COMPONENT) {
        return Ok(());
    }
    if bytes.is_empty() {
        return Err(wrong("the file is empty").hint("build it again: tidemill transform build"));
    }
    if bytes.starts_with(CORE_MODULE) {
        return Err(wrong("it is a core module, not a component")
            .hint("build it with `tidemill transform build`, which wraps the module as a component"));
    }
    if bytes.starts_with(b"\x7fELF") || Engine::detect_precompiled(bytes).is_some() {
        return Err(wrong("it is compiled to machine code, which is never taken in")
            .hint("give the .wasm file that it was compiled from"));
    }
    Err(wrong("it is not WebAssembly").hint("give a component that `tidemill transform build` has made"))
}

fn compile(host: &Host, bytes: &[u8]) -> Result<TransformPre<Budget>> {
    let component = wasmtime::component::Component::from_binary(&host.engine, bytes);
    let component = component.map_err(|cause| shape::unreadable(&cause))?;
    let world = component.component_type();
    let foreign = world.imports(&host.engine).map(|(name, _)| name).find(|name| !IMPORTS.contains(name));
    if let Some(name) = foreign {
        let wrong =
            Error::new(Kind::Input, format!("component: it imports {:?}, which is not offered", plain(name, 200)));
        return Err(wrong.hint("a transform has no files, network, clock or random numbers: build it for wasm32-unknown-unknown without what needs them"));
    }
    for name in EXPORTS {
        if world.get_export(&host.engine, name).is_none() {
            let wrong = Error::new(Kind::Input, format!("component: it does not export {name:?}"));
            return Err(wrong.hint("write it against the world `transform` of transforms/wit/transform.wit"));
        }
    }
    if let Some((name, _)) = world.exports(&host.engine).find(|(name, _)| !EXPORTS.contains(name)) {
        let wrong =
            Error::new(Kind::Input, format!("component: it exports {:?}, which nobody calls", plain(name, 200)));
        return Err(wrong.hint("leave it out: the world `transform` has describe, configure and apply"));
    }
    let mismatched = |cause: wasmtime::Error| {
        let why = plain(&format!("{cause:#}"), 1_000);
        Error::new(Kind::Input, format!("component: it was built for another contract: {why}"))
            .hint("build it again with the SDK of this version")
    };
    let pre = host.linker.instantiate_pre(&component).map_err(mismatched)?;
    TransformPre::new(pre).map_err(mismatched)
}

fn describe(
    host: &Host,
    pre: &TransformPre<Budget>,
    name: &Arc<str>,
    limits: &Limits,
) -> Result<super::bindings::Description, Failure> {
    let mut store = instance::store(host, name, limits);
    instance::call(&mut store, |store| pre.instantiate(&mut *store))
        .and_then(|transform: Transform| instance::call(&mut store, |store| transform.call_describe(store)))
}
