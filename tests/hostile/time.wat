;; Guests that keep the processor.

;; ## loop-in-apply
;; -> apply deadline: out of time (limit deadline =
;; @apply
(loop $l (br $l)) unreachable

;; ## loop-in-describe
;; -> load: out of time (limit deadline =
;; @describe
(loop $l (br $l)) unreachable

;; ## loop-in-configure
;; -> start: out of time (limit deadline =
;; @configure
(loop $l (br $l)) unreachable

;; ## loop-in-start-function
;; -> load: out of time (limit deadline =
;; @more
(func $begin (loop $l (br $l)))
(start $begin)

;; ## loop-in-realloc
;; -> start: out of time (limit deadline =
;; @realloc
(loop $l (br $l)) unreachable

;; ## loop-in-realloc-of-the-batch-alone
;; -> apply deadline: out of time (limit deadline =
;; @realloc
(if (i32.eq (local.get $align) (i32.const 4)) (then (loop $l (br $l))))
(call $bump (local.get $align) (local.get $size))

;; ## loop-in-post-return
;; -> apply deadline: out of time (limit deadline =
;; @after
(loop $l (br $l))

;; ## loop-in-the-third-call
;; -> apply deadline: out of time (limit deadline =
;; @apply
(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
(if (i32.eq (global.get $calls) (i32.const 3)) (then (loop $l (br $l))))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## loop-through-a-table
;; -> apply deadline: out of time (limit deadline =
;; @apply
(loop $l (call_indirect $turns (param i32) (i32.const 1) (i32.const 0)) (br $l)) unreachable
;; @more
(table $turns 1 funcref)
(func $turn (param i32))
(elem (table $turns) (i32.const 0) func $turn)

;; ## loop-over-a-br-table
;; -> apply deadline: out of time (limit deadline =
;; @apply
(loop $l (block $a (block $b (br_table $a $b $l (i32.const 7))) (br $l))) unreachable

;; ## fibonacci-without-a-loop
;; -> apply deadline: out of time (limit deadline =
;; @apply
(call $fibonacci (i32.const 90))
;; @more
(func $fibonacci (param i32) (result i32)
  (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add
    (call $fibonacci (i32.sub (local.get 0) (i32.const 1)))
    (call $fibonacci (i32.sub (local.get 0) (i32.const 2)))))))

;; ## fill-the-memory-again-and-again
;; -> apply deadline: out of time (limit deadline =
;; @apply
(drop (memory.grow (i32.const 1000)))
(loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65000000)) (br $l)) unreachable

;; ## copy-the-memory-again-and-again
;; -> apply deadline: out of time (limit deadline =
;; @apply
(drop (memory.grow (i32.const 1000)))
(loop $l (memory.copy (i32.const 65536) (i32.const 65537) (i32.const 65000000)) (br $l)) unreachable

;; ## fill-a-table-again-and-again
;; -> apply deadline: out of time (limit deadline =
;; @apply
(loop $l (table.fill $wide (i32.const 0) (ref.null func) (i32.const 9000)) (br $l)) unreachable
;; @more
(table $wide 9000 funcref)

;; ## grow-in-vain-for-ever
;; -> apply deadline: out of time (limit deadline =
;; @apply
(loop $l (drop (memory.grow (i32.const 65535))) (br $l)) unreachable

;; ## log-for-ever
;; -> apply deadline: out of time (limit deadline =
;; @apply
(loop $l (call $log (i32.const 0) (global.get $said) (i32.const 14)) (br $l)) unreachable

;; ## divide-for-ever
;; -> apply deadline: out of time (limit deadline =
;; @apply
(local $x f64)
(local.set $x (f64.const 1))
(loop $l (local.set $x (f64.sqrt (f64.div (local.get $x) (f64.const 3)))) (br $l)) unreachable
