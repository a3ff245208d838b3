;; The guest that the hostile ones are made of: honest where a place in braces is left as it is.
;; Its data stands at fixed places, so that an entry can spoil one word of it.
(module
  (import "$root" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") {memory})

  ;; description: name, version, summary, inputs, outputs, parameters; then the fields: name, aliases, type, nullable
  (global $description i32 (i32.const 1024))
  (data (i32.const 1024)
    "\4c\04\00\00\05\00\00\00\54\04\00\00\05\00\00\00\5c\04\00\00\05\00\00\00"
    "\b0\04\00\00\01\00\00\00\d8\04\00\00\01\00\00\00\74\04\00\00\02\00\00\00")
  (data (i32.const 1100) "guest\00\00\001.0.0\00\00\00Tries\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00{}\00\00title")
  (global $input i32 (i32.const 1200))
  (data (i32.const 1200) "\78\04\00\00\05\00\00\00\b0\04\00\00\00\00\00\00\04\01\00\00")
  (global $field i32 (i32.const 1240))
  (data (i32.const 1240) "\78\04\00\00\05\00\00\00\b0\04\00\00\00\00\00\00\04\01\00\00")
  (global $said i32 (i32.const 1300))
  (data (i32.const 1300) "no such colour\00\00")

  ;; what configure answers: fine, or a refusal with what was said
  (global $fine i32 (i32.const 1400))
  (data (i32.const 1400) "\00\00\00\00\00\00\00\00\00\00\00\00")
  (global $unfit i32 (i32.const 1420))
  (data (i32.const 1420) "\01\00\00\00\14\05\00\00\0e\00\00\00")

  ;; what apply answers with $answer: two rows of text, "a" and "b", each from its own row
  (global $answer i32 (i32.const 2048))
  (data (i32.const 2048)
    "\00\00\00\00\02\00\00\00\40\08\00\00\01\00\00\00\00\09\00\00\02\00\00\00\c4\09\00\00\00\00\00\00")
  (global $column i32 (i32.const 2112))
  (data (i32.const 2112)
    "\00\00\00\00\80\09\00\00\01\00\00\00\04\00\00\00\60\09\00\00\03\00\00\00\80\09\00\00\02\00\00\00"
    "\80\09\00\00\02\00\00\00")
  (global $sources i32 (i32.const 2304))
  (data (i32.const 2304) "\00\00\00\00\01\00\00\00")
  (global $offsets i32 (i32.const 2400))
  (data (i32.const 2400) "\00\00\00\00\01\00\00\00\02\00\00\00")
  (global $bytes i32 (i32.const 2432))
  (data (i32.const 2432) "ab")
  (global $rejected i32 (i32.const 2500))
  (data (i32.const 2500) "\00\00\00\00\14\05\00\00\0e\00\00\00\00\00\00\00\14\05\00\00\0e\00\00\00")

  (global $heap (mut i32) (i32.const 4096))
  (global $calls (mut i32) (i32.const 0))

  (func $bump (param $align i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  ;; the input as it came, each row from itself
  (func $same (param $rows i32) (param $columns i32) (param $count i32) (result i32) (local $sources i32) (local $row i32)
    (local.set $sources (call $bump (i32.const 4) (i32.mul (local.get $rows) (i32.const 4))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
      (i32.store (i32.add (local.get $sources) (i32.mul (local.get $row) (i32.const 4))) (local.get $row))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i32.store offset=4 (global.get $answer) (local.get $rows))
    (i32.store offset=8 (global.get $answer) (local.get $columns))
    (i32.store offset=12 (global.get $answer) (local.get $count))
    (i32.store offset=16 (global.get $answer) (local.get $sources))
    (i32.store offset=20 (global.get $answer) (local.get $rows))
    (global.get $answer))

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    {realloc})
  (func (export "describe") (result i32)
    {describe})
  (func (export "configure") (param $at i32) (param $length i32) (result i32)
    {configure})
  (func (export "apply") (param $rows i32) (param $columns i32) (param $count i32) (result i32)
    {apply})
  (func (export "cabi_post_apply") (param i32)
    {after})
  {more})
