;; A transform of one text, `title`, that gives back what its first call brings and drops the rest.
(module
  (memory (export "memory") 16)
  (global $calls (mut i32) (i32.const 0))
  (global $heap (mut i32) (i32.const 8192))

  ;; The description: name, version, summary, inputs, outputs, parameters; each a place and a length.
  (data (i32.const 1024) "remembers")
  (data (i32.const 1040) "1.0.0")
  (data (i32.const 1056) "Gives back what its first call brings.")
  (data (i32.const 1120) "title")
  (data (i32.const 1136) "{}")
  ;; The field: name, aliases, text that may be null.
  (data (i32.const 1152) "\60\04\00\00\05\00\00\00\80\04\00\00\00\00\00\00\04\01\00\00")
  (data (i32.const 1184)
    "\00\04\00\00\09\00\00\00\10\04\00\00\05\00\00\00\20\04\00\00\26\00\00\00"
    "\80\04\00\00\01\00\00\00\80\04\00\00\01\00\00\00\70\04\00\00\02\00\00\00")
  ;; An answer without a row: its column has one offset, which is 0.
  (data (i32.const 1312) "\00\00\00\00\00\00\00\00\00\00\00\00\04\00\00\00\50\05\00\00\01\00\00\00\50\05\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "describe") (result i32) (i32.const 1184))
  (func (export "configure") (param i32 i32) (result i32) (i32.const 1248))

  ;; The answer at 1376: ok, rows, columns, sources, rejected. The sources at 2048: 0, 1, 2 ...
  (func (export "apply") (param $rows i32) (param $columns i32) (param $count i32) (result i32)
    (local $row i32)
    (if (global.get $calls) (then
      (local.set $rows (i32.const 0))
      (local.set $columns (i32.const 1312))))
    (global.set $calls (i32.const 1))
    (i32.store (i32.const 1380) (local.get $rows))
    (i32.store (i32.const 1384) (local.get $columns))
    (i32.store (i32.const 1388) (local.get $count))
    (i32.store (i32.const 1392) (i32.const 2048))
    (i32.store (i32.const 1396) (local.get $rows))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
      (i32.store (i32.add (i32.const 2048) (i32.mul (local.get $row) (i32.const 4))) (local.get $row))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i32.const 1376))
  (func (export "cabi_post_apply") (param i32) (global.set $heap (i32.const 8192))))
