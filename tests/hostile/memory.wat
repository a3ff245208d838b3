;; Guests that keep memory.

;; ## grow-to-the-limit-and-go-on
;; -> fine
;; @apply
(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## grow-to-the-limit-and-give-up
;; -> apply trap: out of memory: it asked for 68157440 bytes (limit memory = 64 MiB)
;; @apply
(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable

;; ## touch-every-page-in-each-call
;; -> fine
;; @memory
1024
;; @apply
(memory.fill (i32.const 65536) (i32.const 7) (i32.const 67043328))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## leak-in-each-call
;; -> fine
;; @apply
(memory.fill (i32.mul (memory.grow (i32.const 100)) (i32.const 65536)) (i32.const 7) (i32.const 6553600))
(call $same (local.get $rows) (local.get $columns) (local.get $count))

;; ## four-gigabytes-at-once
;; -> load: out of memory: it asked for 4294967296 bytes (limit memory = 64 MiB)
;; @memory
65536

;; ## a-page-above-the-limit
;; -> load: out of memory: it asked for 67174400 bytes
;; @memory
1025

;; ## may-grow-to-four-gigabytes
;; -> fine
;; @memory
16 65536

;; ## two-memories
;; -> load: component: it is not valid
;; @more
(memory $second 1)

;; ## data-at-both-ends
;; -> fine
;; @memory
1024
;; @more
(data (i32.const 67108860) "last")

;; ## data-beyond-the-end
;; -> load: out of bounds memory access
;; @more
(data (i32.const 1048575) "last")

;; ## table-that-grows
;; -> apply trap: too many elements in its tables: it asked for 20002 (limit table_elements = 10000)
;; @apply
(drop (table.grow (ref.null func) (i32.const 20000))) unreachable
;; @more
(table 1 funcref)

;; ## table-of-ten-million
;; -> load: too many elements in its tables
;; @more
(table 10000000 funcref)

;; ## tables-by-the-dozen
;; -> load: (limit instances = 4)
;; @more
(table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)

;; ## instances-by-the-dozen
;; -> load: (limit instances = 4)
;; @component
(core module $small (memory 1))
(core instance (instantiate $small)) (core instance (instantiate $small)) (core instance (instantiate $small))
(core instance (instantiate $small)) (core instance (instantiate $small)) (core instance (instantiate $small))

;; ## a-memory-of-its-own-beside-the-first
;; -> load: out of memory
;; @component
(core module $large (memory 1024))
(core instance (instantiate $large))

;; ## a-million-reasons-that-are-one
;; -> apply invalid: returned too much (limit output = 64 MiB)
;; @apply
(local $i i32)
(drop (memory.grow (i32.const 200)))
(loop $l
  (i32.store (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (local.get $i))
  (i32.store offset=4 (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (i32.const 13900000))
  (i32.store offset=8 (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (i32.const 100000))
  (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))
(i32.store offset=24 (global.get $answer) (i32.const 1048576))
(i32.store offset=28 (global.get $answer) (i32.const 1000000))
(global.get $answer)

;; ## a-million-columns-that-are-one
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store offset=12 (global.get $answer) (i32.const 107374182))

;; ## a-reason-of-sixty-megabytes
;; -> fine
;; @memory
1024
;; @answer
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 60000000))
(i32.store offset=4 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $column) (i32.const 1))
(i32.store offset=28 (global.get $column) (i32.const 0))
(i32.store offset=4 (global.get $rejected) (i32.const 65536))
(i32.store offset=8 (global.get $rejected) (i32.const 60000000))
(i32.store offset=28 (global.get $answer) (i32.const 1))

;; ## a-name-of-sixty-megabytes
;; -> load: description: name: it is longer than 128 bytes
;; @memory
1024
;; @describe
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 60000000))
(i32.store (global.get $description) (i32.const 65536))
(i32.store offset=4 (global.get $description) (i32.const 60000000))
(global.get $description)

;; ## as-many-fields-as-memory-holds
;; -> load: returned too much (limit output = 64 MiB)
;; @memory
1024
;; @describe
(local $i i32)
(local.set $i (i32.const 65536))
(loop $l
  (memory.copy (local.get $i) (global.get $field) (i32.const 20))
  (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 20))) (i32.const 66000000))))
(i32.store offset=32 (global.get $description) (i32.const 65536))
(i32.store offset=36 (global.get $description) (i32.const 3000000))
(global.get $description)

;; ## what-others-left-in-memory
;; -> fine
;; @memory
1024
;; @apply
(local $at i32)
(local.set $at (i32.const 1048576))
(loop $l
  (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
  (br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 67000000))))
(call $same (local.get $rows) (local.get $columns) (local.get $count))
