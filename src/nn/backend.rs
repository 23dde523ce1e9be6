//! Opening a device and calling libtorch without changing the host's thread settings.

use crate::model::Dtype;
use crate::options::{keys, Options};
use crate::{Error, Result};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_NOW};
use once_cell::sync::{Lazy, OnceCell};
use std::error::Error as _;
use std::ffi::c_int;
use std::path::Path;
use tch::{Device, Kind};

/// A device, a precision and a number of threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend {
    pub device: Device,
    pub kind: Kind,
    threads: c_int,
}

impl Backend {
    /// From the options `device`, `threads` and the model's precision.
    pub fn open(options: &Options, dtype: Dtype) -> Result<Self> {
        same_process()?;
        Ok(Backend {
            device: open_device(options.get(keys::DEVICE))?,
            kind: match dtype {
                Dtype::Float32 => Kind::Float,
                Dtype::Float64 => Kind::Double,
            },
            threads: options.get(keys::THREADS) as c_int,
        })
    }

    /// Runs `f` with this backend's number of threads and without recording gradients; both are as before afterwards.
    pub fn without_gradient<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<R> {
        same_process()?;
        let _threads = ThreadGuard::new(self.threads);
        let _grad = tch::no_grad_guard();
        f()
    }

    /// Runs `f` with this backend's number of threads and with gradients recorded.
    pub fn with_gradient<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<R> {
        same_process()?;
        let _threads = ThreadGuard::new(self.threads);
        tch::with_grad(f)
    }
}

/// Refuses libtorch to a child of the process that began to use it: its threads and its CUDA contexts do not survive a fork, and the child
/// would wait for them for ever.
fn same_process() -> Result<()> {
    static PROCESS: OnceCell<u32> = OnceCell::new();
    let this = std::process::id();
    if *PROCESS.get_or_init(|| this) == this {
        return Ok(());
    }
    Err(Error::Torch(
        "libtorch was in use before this process was forked, and does not survive that; fork before the first use of libtorch, or use the CPU engine (`backend` = `engine`) in the child".into(),
    ))
}

/// Checks that `device` (`cpu`, `cuda`, `cuda:N`) can be used here.
pub(crate) fn open_device(device: &str) -> Result<Device> {
    let ordinal = match device {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        _ => device
            .strip_prefix("cuda:")
            .and_then(|n| n.parse::<u16>().ok())
            .ok_or_else(|| {
                Error::InvalidArgument(format!(
                    "device `{device}` is none of `cpu`, `cuda`, `cuda:N` (N from 0)"
                ))
            })?,
    };
    load_cuda()?;
    let count = tch::Cuda::device_count();
    if count == 0 || !tch::Cuda::is_available() {
        return Err(Error::Device(format!(
            "device `{device}`: libtorch's CUDA part is loaded, but finds no usable GPU; is the NVIDIA driver installed, and CUDA_VISIBLE_DEVICES not empty?"
        )));
    }
    if i64::from(ordinal) >= count {
        return Err(Error::Device(format!(
            "device `{device}`: there are only {count} GPUs, counted from 0"
        )));
    }
    Ok(Device::Cuda(usize::from(ordinal)))
}

/// Loads libtorch_cuda, once per process, and only when a GPU is asked for: it takes a third of a second and 200 MB. It must come before
/// any CUDA query, for libtorch looks for its CUDA part only at the first.
fn load_cuda() -> Result<()> {
    static CUDA: OnceCell<Library> = OnceCell::new();
    CUDA.get_or_try_init(|| {
        // SAFETY: loading runs libtorch_cuda's initialisers, which are made for that; the library is never unloaded.
        unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) }.map_err(|e| {
            let driver = if Path::new("/dev/nvidiactl").exists() {
                "this machine has an NVIDIA driver"
            } else {
                "this machine shows no NVIDIA driver (/dev/nvidiactl), so it could not be used anyway"
            };
            // The linker's own words are in the source.
            let why = e.source().map_or_else(|| e.to_string(), |s| s.to_string());
            Error::Device(format!(
                "CUDA was asked for, but libtorch's CUDA part cannot be loaded: {why}; {driver}. Build with `make CUDA=1` on a machine with a GPU, or use device `cpu`"
            ))
        })
    })?;
    Ok(())
}

type GetThreads = unsafe extern "C" fn() -> c_int;
type SetThreads = unsafe extern "C" fn(c_int);

/// OpenMP's per-thread thread count, of the runtime that libtorch itself uses. It belongs to the calling thread, so setting and restoring
/// it around a call is invisible to the host; `at::set_num_threads` would change the whole process.
static OPENMP: Lazy<Option<(GetThreads, SetThreads)>> = Lazy::new(|| {
    // libtorch has loaded it; RTLD_NOLOAD finds that very one.
    const RTLD_NOLOAD: c_int = libc::RTLD_NOLOAD;
    // SAFETY: the two symbols have these types in every OpenMP runtime, and the library stays loaded with libtorch.
    unsafe {
        let library = Library::open(Some("libgomp.so.1"), RTLD_LAZY | RTLD_NOLOAD).ok()?;
        let get = *library.get::<GetThreads>(b"omp_get_max_threads\0").ok()?;
        let set = *library.get::<SetThreads>(b"omp_set_num_threads\0").ok()?;
        std::mem::forget(library);
        Some((get, set))
    }
});

struct ThreadGuard(Option<c_int>);

impl ThreadGuard {
    fn new(threads: c_int) -> Self {
        let Some((get, set)) = *OPENMP else {
            return ThreadGuard(None);
        };
        // SAFETY: plain calls into the OpenMP runtime.
        let before = unsafe { get() };
        // The first call on a thread makes libtorch set its own default; let that happen before ours.
        tch::get_num_threads();
        // SAFETY: as above.
        unsafe { set(threads) };
        ThreadGuard(Some(before))
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if let (Some((_, set)), Some(before)) = (*OPENMP, self.0) {
            // SAFETY: as in `new`.
            unsafe { set(before) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_thread_count_is_left_as_it_was() {
        tch::get_num_threads();
        let (get, set) = OPENMP.expect("libtorch brings an OpenMP runtime");
        // SAFETY: a plain call into the OpenMP runtime.
        unsafe { set(3) };
        let backend = Backend::open(&Options::new(), Dtype::Float32).unwrap();
        let inside = backend
            .without_gradient(|| Ok(tch::get_num_threads()))
            .unwrap();
        // SAFETY: the same.
        assert_eq!((inside, unsafe { get() }), (1, 3));
    }

    #[test]
    fn devices_are_checked() {
        assert_eq!(open_device("cpu").unwrap(), Device::Cpu);
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(
                matches!(open_device(wrong), Err(Error::InvalidArgument(_))),
                "{wrong}"
            );
        }
        // More GPUs than any machine has: an error with or without one.
        assert!(matches!(open_device("cuda:65535"), Err(Error::Device(_))));
    }

    #[test]
    #[ignore = "needs a GPU: CUDA=1 make test"]
    fn cuda_opens() {
        assert_eq!(open_device("cuda").unwrap(), Device::Cuda(0));
    }
}
