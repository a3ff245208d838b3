//! The process's one WebAssembly engine, with the clock that deadlines are counted by.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use wasmparser::WasmFeatures;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, EngineWeak, OptLevel};

use super::bindings::Transform;
use super::budget::Budget;
use super::limits::Limits;
use super::load::{self, Component};
use super::patience::Patience;
use super::trust::Trust;
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The clock's step; a deadline is counted in these.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// A guest's stack.
const STACK_BYTES: usize = 512 << 10;

/// One for the process: the engine, its clock, the cache of compiled code. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Budget>>,
    /// Whether it counts the instructions of guests.
    pub(super) metered: bool,
    pub(super) patience: Arc<Patience>,
    trust: Arc<Trust>,
    // Dropped with the last host, component and instance; the clock's thread then ends.
    _clock: Arc<SyncSender<()>>,
}

impl Host {
    /// Starts the engine. `cache` is the folder that keeps compiled code; it is made readable to its owner alone,
    /// because what lies in it is run.
    pub fn new(cache: Option<&Path>) -> Result<Self> {
        Self::start(&mut config(cache.map(open_cache).transpose()?), false)
    }

    /// Starts an engine that counts the instructions of guests, which makes them slower: for measurements.
    pub fn metered() -> Result<Self> {
        Self::start(config(None).consume_fuel(true), true)
    }

    fn start(config: &mut Config, metered: bool) -> Result<Self> {
        let broken = || "WebAssembly engine";
        let patience = Arc::new(Patience::default());
        config.enable_incremental_compilation(patience.clone()).or_fail(Kind::Internal, broken)?;
        let engine = Engine::new(config).or_fail(Kind::Internal, broken)?;
        let mut linker = Linker::new(&engine);
        Transform::add_to_linker::<_, HasSelf<Budget>>(&mut linker, |budget| budget).or_fail(Kind::Internal, broken)?;
        let (clock, ended) = sync_channel(0);
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("deadlines".into())
            .spawn(move || tick(&weak, &ended))
            .or_fail(Kind::Internal, || "thread \"deadlines\"")?;
        Ok(Self { engine, linker: Arc::new(linker), metered, patience, trust: Arc::default(), _clock: Arc::new(clock) })
    }

    /// The same host, which from now on loads only what is signed as `trust` asks. There is no other way to a component.
    #[must_use]
    pub fn trusting(self, trust: &Trust) -> Self {
        Self { trust: Arc::new(trust.clone()), ..self }
    }

    /// Whose signature it asks for.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Compiles a component, asks it what it is, and checks the answer.
    ///
    /// Errors when it is not signed as asked, too large or too costly to compile, precompiled, no component, imports or exports other things than the contract
    /// names, or describes itself wrongly; each says what to do.
    pub fn load(&self, bytes: &[u8], limits: &Limits) -> Result<Component> {
        load::load(self, bytes, limits)
    }
}

fn config(cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .cache(cache)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        // Never beyond what is reserved for it, so its address is no variable.
        .memory_may_move(false)
        .max_wasm_stack(STACK_BYTES)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_features(WasmFeatures::FUNCTION_REFERENCES, false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false);
    config
}

fn open_cache(folder: &Path) -> Result<Cache> {
    let named = || format!("folder {folder:?} of compiled code");
    let failed = |cause: std::io::Error| Error::new(io_kind(&cause), format!("{}: {cause}", named()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).or_fail(Kind::Storage, named)
}

fn tick(engine: &EngineWeak, ended: &Receiver<()>) {
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
