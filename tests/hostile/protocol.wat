;; Guests that trap, or do not keep to the order and the words of the contract.

;; ## trap-in-describe
;; -> load: wasm `unreachable` instruction executed
;; @describe
unreachable

;; ## trap-in-configure
;; -> start: wasm `unreachable` instruction executed
;; @configure
unreachable

;; ## trap-in-apply
;; -> apply trap: wasm `unreachable` instruction executed
;; @apply
unreachable

;; ## trap-in-the-start-function
;; -> load: wasm `unreachable` instruction executed
;; @more
(func $begin unreachable)
(start $begin)

;; ## trap-in-realloc
;; -> start: wasm `unreachable` instruction executed
;; @realloc
unreachable

;; ## trap-in-post-return
;; -> apply trap: wasm `unreachable` instruction executed
;; @after
unreachable

;; ## trap-in-the-third-call
;; -> apply trap: wasm `unreachable` instruction executed
;; @apply
(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
(if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## divide-by-zero
;; -> apply trap: integer divide by zero
;; @apply
(i32.div_u (local.get $rows) (i32.const 0))

;; ## overflow-of-a-division
;; -> apply trap: integer overflow
;; @apply
(i32.div_s (i32.const 0x80000000) (i32.const -1))

;; ## float-that-is-no-integer
;; -> apply trap: invalid conversion to integer
;; @apply
(i32.trunc_f64_s (f64.const nan))

;; ## read-outside-of-memory
;; -> apply trap: out of bounds memory access
;; @apply
(i32.load offset=0xffffffff (i32.const -1))

;; ## copy-outside-of-memory
;; -> apply trap: out of bounds memory access
;; @apply
(memory.copy (i32.const 0) (i32.const 1) (i32.const -1)) unreachable

;; ## call-of-nothing
;; -> apply trap: uninitialized element
;; @apply
(call_indirect $none (i32.const 0)) unreachable
;; @more
(table $none 1 funcref)

;; ## call-beyond-the-table
;; -> apply trap: undefined element: out of bounds table access
;; @apply
(call_indirect $none (i32.const -1)) unreachable
;; @more
(table $none 1 funcref)

;; ## call-of-another-type
;; -> apply trap: indirect call type mismatch
;; @apply
(call_indirect $one (param i64) (i64.const 0) (i32.const 0)) unreachable
;; @more
(table $one 1 funcref)
(func $none)
(elem (table $one) (i32.const 0) func $none)

;; ## recursion-until-the-stack-ends
;; -> apply trap: call stack exhausted
;; @apply
(call $deep (i32.const 0))
;; @more
(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))

;; ## recursion-of-two
;; -> apply trap: call stack exhausted
;; @apply
(call $one (i32.const 0))
;; @more
(func $one (param i32) (result i32) (i32.add (i32.const 1) (call $two (local.get 0))))
(func $two (param i32) (result i32) (i32.add (i32.const 1) (call $one (local.get 0))))

;; ## recursion-in-describe
;; -> load: call stack exhausted
;; @describe
(call $deep (i32.const 0))
;; @more
(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))

;; ## recursion-in-realloc
;; -> start: call stack exhausted
;; @realloc
(call $deep (i32.const 0))
;; @more
(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))

;; ## realloc-that-points-outside
;; -> apply invalid: realloc
;; @realloc
(if (result i32) (i32.eq (local.get $align) (i32.const 4)) (then (i32.const -16))
  (else (call $bump (local.get $align) (local.get $size))))

;; ## realloc-that-ends-outside
;; -> apply invalid: realloc
;; @realloc
(if (result i32) (i32.eq (local.get $align) (i32.const 4)) (then (i32.const 1048572))
  (else (call $bump (local.get $align) (local.get $size))))

;; ## realloc-that-is-not-aligned
;; -> apply invalid: realloc
;; @realloc
(if (result i32) (i32.eq (local.get $align) (i32.const 4)) (then (i32.const 70001))
  (else (call $bump (local.get $align) (local.get $size))))

;; ## realloc-that-gives-the-same-place-each-time
;; -> apply invalid:
;; @realloc
(i32.const 65536)
;; @apply
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## realloc-that-gives-null
;; -> apply invalid:
;; @realloc
(i32.const 0)

;; ## realloc-over-the-guests-own-answer
;; -> apply invalid:
;; @realloc
(if (result i32) (i32.eq (local.get $align) (i32.const 1)) (then (i32.const 2048)) (else (call $bump (local.get $align) (local.get $size))))
;; @apply
(i32.store8 (global.get $answer) (i32.const 9))
(global.get $answer)

;; ## configure-that-refuses
;; -> start: refused its parameters: no such colour
;; @configure
(global.get $unfit)

;; ## configure-that-answers-outside-of-memory
;; -> start: what it returned cannot be read
;; @configure
(i32.const -4)

;; ## configure-whose-refusal-is-not-utf8
;; -> start: what it returned cannot be read
;; @configure
(i32.store8 (global.get $said) (i32.const 255))
(global.get $unfit)

;; ## describe-outside-of-memory
;; -> load: what it returned cannot be read
;; @describe
(i32.const -48)

;; ## describe-with-a-type-that-is-none
;; -> load: what it returned cannot be read
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 9))
(global.get $description)

;; ## describe-with-a-name-that-is-not-utf8
;; -> load: what it returned cannot be read
;; @describe
(i32.store8 (i32.const 1100) (i32.const 255))
(global.get $description)

;; ## describe-that-changes-between-calls
;; -> fine
;; @describe
(if (global.get $calls) (then (i32.store offset=36 (global.get $description) (i32.const 0))))
(global.set $calls (i32.const 1))
(global.get $description)

;; ## describe-without-outputs
;; -> load: description: outputs: there are none
;; @describe
(i32.store offset=36 (global.get $description) (i32.const 0))
(global.get $description)

;; ## describe-with-the-same-field-twice
;; -> load: description: outputs: field "title" is there twice
;; @describe
(memory.copy (i32.const 3200) (global.get $field) (i32.const 20))
(memory.copy (i32.const 3220) (global.get $field) (i32.const 20))
(i32.store offset=32 (global.get $description) (i32.const 3200))
(i32.store offset=36 (global.get $description) (i32.const 2))
(global.get $description)

;; ## describe-with-thousands-of-fields
;; -> load: description: inputs: there are 1001, more than 1000
;; @describe
(local $i i32)
(local.set $i (i32.const 65536))
(loop $l
  (memory.copy (local.get $i) (global.get $input) (i32.const 20))
  (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 20))) (i32.const 90000))))
(i32.store offset=24 (global.get $description) (i32.const 65536))
(i32.store offset=28 (global.get $description) (i32.const 1001))
(global.get $description)

;; ## a-field-that-is-sql
;; -> load: is not a name for a column
;; @describe
(i32.store (global.get $field) (i32.const 3200))
(i32.store offset=4 (global.get $field) (i32.const 20))
(global.get $description)
;; @more
(data (i32.const 3200) "x\"; drop table y; --")

;; ## a-field-that-is-a-path
;; -> load: is not a name for a column
;; @describe
(i32.store (global.get $field) (i32.const 3200))
(i32.store offset=4 (global.get $field) (i32.const 16))
(global.get $description)
;; @more
(data (i32.const 3200) "../../etc/passwd")

;; ## a-field-of-our-own
;; -> load: field "_offset" is not a name for a column
;; @describe
(i32.store (global.get $field) (i32.const 3200))
(i32.store offset=4 (global.get $field) (i32.const 7))
(global.get $description)
;; @more
(data (i32.const 3200) "_offset")

;; ## a-name-that-colours-the-terminal
;; -> load: description: name: "\u{1b}[31m" has a control character
;; @describe
(i32.store (global.get $description) (i32.const 3200))
(global.get $description)
;; @more
(data (i32.const 3200) "\1b[31m")

;; ## a-name-that-is-empty
;; -> load: description: name: it is empty
;; @describe
(i32.store offset=4 (global.get $description) (i32.const 0))
(global.get $description)

;; ## parameters-that-are-no-schema
;; -> load: parameters: their schema is not JSON
;; @describe
(i32.store8 (i32.const 1140) (i32.const 91))
(global.get $description)

;; ## parameters-nested-without-end
;; -> load: parameters: their schema is not JSON: recursion limit exceeded
;; @describe
(memory.fill (i32.const 65536) (i32.const 91) (i32.const 60000))
(i32.store offset=40 (global.get $description) (i32.const 65536))
(i32.store offset=44 (global.get $description) (i32.const 60000))
(global.get $description)

;; ## a-flood-of-logs
;; -> fine
;; @apply
(local $i i32)
(loop $l
  (call $log (i32.const 3) (global.get $said) (i32.const 14))
  (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## a-log-line-outside-of-memory
;; -> apply invalid: what it returned cannot be read
;; @apply
(call $log (i32.const 0) (i32.const -1) (i32.const 100)) unreachable

;; ## a-log-line-that-is-not-utf8
;; -> apply invalid: what it returned cannot be read
;; @apply
(i32.store8 (global.get $said) (i32.const 255))
(call $log (i32.const 0) (global.get $said) (i32.const 14)) unreachable

;; ## a-log-line-of-no-level
;; -> apply invalid: what it returned cannot be read
;; @apply
(call $log (i32.const 77) (global.get $said) (i32.const 14)) unreachable

;; ## a-log-line-of-the-whole-memory
;; -> fine
;; @memory
1024
;; @apply
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 60000000))
(call $log (i32.const 0) (i32.const 65536) (i32.const 60000000))
(call $log (i32.const 0) (i32.const 65536) (i32.const 60000000))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## a-log-line-that-looks-like-another
;; -> fine
;; @apply
(i32.store (global.get $said) (i32.const 0x0a0d1b5b))
(call $log (i32.const 1) (global.get $said) (i32.const 14))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## calls-of-the-host-while-it-calls
;; -> start: cannot leave component instance
;; @realloc
(call $log (i32.const 0) (global.get $said) (i32.const 14))
(call $bump (local.get $align) (local.get $size))

;; ## calls-of-the-host-after-the-return
;; -> apply trap: cannot leave component instance
;; @after
(call $log (i32.const 0) (global.get $said) (i32.const 14))
