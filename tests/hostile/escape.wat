;; Components that ask for what is not offered, or are built with what is off.

;; ## files
;; -> load: component: it imports "wasi:filesystem/types@0.2.0", which is not offered
;; @whole
(component (import "wasi:filesystem/types@0.2.0" (instance (export "descriptor" (type (sub resource))))))

;; ## environment
;; -> load: component: it imports "wasi:cli/environment@0.2.0", which is not offered
;; @whole
(component (import "wasi:cli/environment@0.2.0"
  (instance (export "get-environment" (func (result (list (tuple string string))))))))

;; ## sockets
;; -> load: component: it imports "wasi:sockets/tcp@0.2.0", which is not offered
;; @whole
(component (import "wasi:sockets/tcp@0.2.0" (instance)))

;; ## clocks-beside-all-that-is-asked-for
;; -> load: component: it imports "wasi:clocks/wall-clock@0.2.0", which is not offered
;; @component
(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))

;; ## a-log-of-another-type
;; -> load: component:
;; @whole
(component (import "log" (func (param "bytes" (list u8)))))

;; ## a-name-like-ours
;; -> load: component: it imports "tidemill:transform/columns@0.2.0", which is not offered
;; @component
(import "tidemill:transform/columns@0.2.0" (instance))

;; ## a-core-module-from-the-host
;; -> load: component: it imports "module", which is not offered
;; @whole
(component (import "module" (core module)))

;; ## a-component-from-the-host
;; -> load: component: it is not valid
;; @whole
(component (import "component" (component)))

;; ## a-resource-from-the-host
;; -> load: component: it imports "handle", which is not offered
;; @whole
(component (import "handle" (type (sub resource))))

;; ## a-file-from-the-net
;; -> load: component: it
;; @whole
(component (import "url=<https://example.org/lib.wasm>" (func)))

;; ## exports-besides-the-contract
;; -> load: component: it exports "extra", which nobody calls
;; @component
(core module $plain (func (export "f")))
(core instance $plain (instantiate $plain))
(func $extra (canon lift (core func $plain "f")))
(export "extra" (func $extra))

;; ## exports-a-resource
;; -> load: component: it exports "handle", which nobody calls
;; @component
(type $handle (resource (rep i32)))
(export "handle" (type $handle))

;; ## exports-nothing
;; -> load: component: it does not export "describe"
;; @whole
(component)

;; ## describe-is-a-type
;; -> load: component:
;; @whole
(component (type $t u32) (export "describe" (type $t)) (export "configure" (type $t)) (export "apply" (type $t)))

;; ## describe-takes-an-argument
;; -> load: component: it was built for another contract
;; @whole
(component
  (core module $m (memory (export "memory") 1)
    (func (export "f") (param i32)))
  (core instance $i (instantiate $m))
  (func $f (param "x" u32) (canon lift (core func $i "f")))
  (export "describe" (func $f)) (export "configure" (func $f)) (export "apply" (func $f)))

;; ## apply-returns-a-handle
;; -> load: component: it
;; @whole
(component
  (type $r (resource (rep i32)))
  (export $handle "handle" (type $r))
  (core module $m (func (export "f") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $f (result (own $handle)) (canon lift (core func $i "f")))
  (export "describe" (func $f)) (export "configure" (func $f)) (export "apply" (func $f)))

;; ## memory-of-64-bits
;; -> load: component: it is not valid
;; @component
(core module
  (memory i64 1))

;; ## memory-between-threads
;; -> load: component: it is not valid
;; @component
(core module
  (memory 1 1 shared))

;; ## atomic-instructions
;; -> load: component: it is not valid
;; @component
(core module
  (func (result i32) (i32.atomic.load (i32.const 0))))

;; ## exceptions
;; -> load: component: it is not valid
;; @component
(core module
  (tag $e)
  (func (throw $e)))

;; ## garbage-collection
;; -> load: component: it is not valid
;; @component
(core module
  (type $pair (struct (field i32) (field i32)))
  (func (drop (struct.new_default $pair))))

;; ## references-to-the-host
;; -> load: component: it is not valid
;; @component
(core module
  (func (param externref)))

;; ## typed-function-references
;; -> load: component: it is not valid
;; @component
(core module
  (type $f (func))
  (func (param (ref null $f)) (call_ref $f (local.get 0))))

;; ## stack-switching
;; -> load: component: it is not valid
;; @component
(core module
  (type $f (func))
  (type $c (cont $f))
  (func (param (ref null $c)) (resume $c (local.get 0))))

;; ## tail-calls
;; -> load: component: it is not valid
;; @component
(core module
  (func $for-ever (return_call $for-ever)))

;; ## relaxed-simd
;; -> load: component: it is not valid
;; @component
(core module
  (func (param v128 v128 v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))

;; ## wide-arithmetic
;; -> load: component: it is not valid
;; @component
(core module
  (func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 2))))

;; ## pages-of-one-byte
;; -> load: component: it is not valid
;; @component
(core module
  (memory 1 (pagesize 1)))

;; ## asynchronous-exports
;; -> load: component: it is not valid
;; @whole
(component
  (core module $m (func (export "f") (result i32) (i32.const 0)) (func (export "c") (param i32 i32 i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $f async (canon lift (core func $i "f") async (callback (core func $i "c"))))
  (export "describe" (func $f)))

;; ## streams
;; -> load: component: it is not valid
;; @whole
(component (type $s (stream u8)) (core func $new (canon stream.new $s)))

;; ## threads-of-its-own
;; -> load: component: it is not valid
;; @whole
(component (core type $begin (func (param i32))) (core func (canon thread.spawn-ref $begin)))
