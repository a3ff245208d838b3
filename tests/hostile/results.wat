;; Guests whose results are not what the contract says.

;; ## offsets-that-fall
;; -> apply invalid: field "title": text column: its offsets fall
;; @answer
(i32.store offset=4 (global.get $offsets) (i32.const 3))

;; ## offsets-beyond-the-bytes
;; -> apply invalid: text column: its offsets do not span its bytes
;; @answer
(i32.store offset=8 (global.get $offsets) (i32.const 1000000))

;; ## offsets-of-four-gigabytes
;; -> apply invalid: text column: its offsets
;; @answer
(i32.store offset=4 (global.get $offsets) (i32.const -1))

;; ## offsets-that-do-not-begin-at-zero
;; -> apply invalid: text column: its offsets do not span its bytes
;; @answer
(i32.store (global.get $offsets) (i32.const 1))

;; ## an-offset-too-few
;; -> apply invalid: returned 2 offsets where 3 are due
;; @answer
(i32.store offset=20 (global.get $column) (i32.const 2))

;; ## no-offsets-at-all
;; -> apply invalid: returned 0 offsets where 3 are due
;; @answer
(i32.store offset=20 (global.get $column) (i32.const 0))

;; ## text-that-is-not-utf8
;; -> apply invalid: text column: row 1 is not UTF-8
;; @answer
(i32.store8 offset=1 (global.get $bytes) (i32.const 255))

;; ## text-cut-inside-a-character
;; -> apply invalid: text column: row 1 begins inside a character
;; @answer
(i32.store16 (global.get $bytes) (i32.const 0xa9c3))

;; ## a-surrogate-in-a-text
;; -> apply invalid: text column: row 0 is not UTF-8
;; @answer
(i32.store (global.get $bytes) (i32.const 0x80a0ed))
(i32.store offset=4 (global.get $offsets) (i32.const 3))
(i32.store offset=8 (global.get $offsets) (i32.const 3))
(i32.store offset=28 (global.get $column) (i32.const 3))

;; ## validity-too-short
;; -> apply invalid: returned 0 bytes of validity where 1 are due
;; @answer
(i32.store (global.get $column) (i32.const 1))
(i32.store offset=8 (global.get $column) (i32.const 0))

;; ## validity-too-long
;; -> apply invalid: returned 9 bytes of validity where 1 are due
;; @answer
(i32.store (global.get $column) (i32.const 1))
(i32.store offset=8 (global.get $column) (i32.const 9))

;; ## a-null-where-none-may-be
;; -> apply invalid: row 0 is null, and the field may not be
;; @describe
(i32.store8 offset=17 (global.get $field) (i32.const 0))
(global.get $description)
;; @answer
(i32.store (global.get $column) (i32.const 1))
(i32.store offset=4 (global.get $column) (i32.const 2048))

;; ## a-validity-that-is-neither-there-nor-absent
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store (global.get $column) (i32.const 2))

;; ## sources-beyond-the-rows
;; -> apply invalid: sources: row 1 comes from 2, of 2 given
;; @answer
(i32.store offset=4 (global.get $sources) (i32.const 2))

;; ## sources-of-four-billion
;; -> apply invalid: sources: row 1 comes from 4294967295
;; @answer
(i32.store offset=4 (global.get $sources) (i32.const -1))

;; ## sources-that-fall
;; -> apply invalid: sources: they fall at row 1
;; @answer
(i32.store (global.get $sources) (i32.const 1))
(i32.store offset=4 (global.get $sources) (i32.const 0))

;; ## a-source-too-few
;; -> apply invalid: sources: 1 of them for 2 rows
;; @answer
(i32.store offset=20 (global.get $answer) (i32.const 1))

;; ## more-rows-than-there-are-values
;; -> apply invalid: sources: 2 of them for 3 rows
;; @answer
(i32.store offset=4 (global.get $answer) (i32.const 3))

;; ## four-billion-rows
;; -> apply invalid: returned 4294967295 rows for 2 (limit rows_out_per_row = 64)
;; @answer
(i32.store offset=4 (global.get $answer) (i32.const -1))

;; ## a-row-above-the-limit
;; -> apply invalid: returned 129 rows for 2 (limit rows_out_per_row = 64)
;; @answer
(i32.store offset=4 (global.get $answer) (i32.const 129))

;; ## no-columns
;; -> apply invalid: returned 0 columns for 1 outputs
;; @answer
(i32.store offset=12 (global.get $answer) (i32.const 0))

;; ## the-same-column-twice
;; -> apply invalid: returned 2 columns for 1 outputs
;; @answer
(memory.copy (i32.add (global.get $column) (i32.const 40)) (global.get $column) (i32.const 40))
(i32.store offset=12 (global.get $answer) (i32.const 2))

;; ## a-column-of-another-type
;; -> apply invalid: returned bytes, not text
;; @answer
(i32.store offset=12 (global.get $column) (i32.const 5))

;; ## a-column-of-no-type
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store offset=12 (global.get $column) (i32.const 77))

;; ## an-answer-that-is-neither-result-nor-error
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store (global.get $answer) (i32.const 2))

;; ## an-answer-outside-of-memory
;; -> apply invalid: what it returned cannot be read
;; @apply
(i32.const -16)

;; ## an-answer-across-the-end-of-memory
;; -> apply invalid: what it returned cannot be read
;; @apply
(i32.const 1048572)

;; ## an-answer-that-is-not-aligned
;; -> apply invalid: what it returned cannot be read
;; @apply
(i32.add (global.get $answer) (i32.const 2))

;; ## columns-outside-of-memory
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store offset=8 (global.get $answer) (i32.const -16))

;; ## sources-whose-length-wraps
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store offset=20 (global.get $answer) (i32.const 0x40000001))

;; ## bytes-that-end-outside-of-memory
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store offset=28 (global.get $column) (i32.const 0x7fffffff))

;; ## bytes-that-begin-at-the-end
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store offset=24 (global.get $column) (i32.const -1))

;; ## rejected-and-returned
;; -> apply invalid: rejected: row 0 came out as well
;; @answer
(i32.store offset=28 (global.get $answer) (i32.const 1))

;; ## rejected-twice
;; -> apply invalid: rejected: row 0 does not come after the one before it
;; @answer
(i32.store offset=4 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $answer) (i32.const 0))
(i32.store offset=28 (global.get $answer) (i32.const 2))

;; ## rejected-rows-that-were-not-given
;; -> apply invalid: rejected: row 2, of 2 given
;; @answer
(i32.store (global.get $rejected) (i32.const 2))
(i32.store offset=28 (global.get $answer) (i32.const 1))

;; ## a-reason-that-is-not-utf8
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store8 (global.get $said) (i32.const 255))
(i32.store offset=28 (global.get $answer) (i32.const 1))

;; ## a-reason-of-control-characters
;; -> fine
;; @answer
(i32.store (global.get $said) (i32.const 0x6d315b1b))
(i32.store offset=4 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $column) (i32.const 1))
(i32.store offset=28 (global.get $column) (i32.const 0))
(i32.store offset=28 (global.get $answer) (i32.const 1))

;; ## a-boolean-of-two
;; -> apply invalid: row 0 is neither 0 nor 1
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 0))
(global.get $description)
;; @answer
(i32.store offset=12 (global.get $column) (i32.const 0))
(i32.store offset=16 (global.get $column) (global.get $bytes))
(i32.store offset=20 (global.get $column) (i32.const 2))

;; ## a-number-too-few
;; -> apply invalid: returned 1 values where 2 are due
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 1))
(global.get $description)
;; @answer
(i32.store offset=12 (global.get $column) (i32.const 1))
(i32.store offset=16 (global.get $column) (i32.const 2048))
(i32.store offset=20 (global.get $column) (i32.const 1))

;; ## numbers-that-are-not-numbers
;; -> fine
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 2))
(global.get $description)
;; @answer
(f64.store (i32.const 3200) (f64.const nan:0x7ffff))
(f64.store (i32.const 3208) (f64.const -inf))
(i32.store offset=12 (global.get $column) (i32.const 2))
(i32.store offset=16 (global.get $column) (i32.const 3200))
(i32.store offset=20 (global.get $column) (i32.const 2))

;; ## times-at-both-ends-of-time
;; -> fine
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 3))
(global.get $description)
;; @answer
(i64.store (i32.const 3200) (i64.const 0x7fffffffffffffff))
(i64.store (i32.const 3208) (i64.const -0x8000000000000000))
(i32.store offset=12 (global.get $column) (i32.const 3))
(i32.store offset=16 (global.get $column) (i32.const 3200))
(i32.store offset=20 (global.get $column) (i32.const 2))

;; ## json-that-is-none
;; -> apply invalid: row 0 is not JSON
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 6))
(global.get $description)
;; @answer
(i32.store offset=12 (global.get $column) (i32.const 6))

;; ## json-that-opens-a-hundred-thousand-lists
;; -> apply invalid: row 0 is not JSON: EOF while parsing a list
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 6))
(global.get $description)
;; @answer
(memory.fill (i32.const 65536) (i32.const 91) (i32.const 100000))
(i32.store offset=4 (global.get $offsets) (i32.const 100000))
(i32.store offset=8 (global.get $offsets) (i32.const 100000))
(i32.store offset=12 (global.get $column) (i32.const 6))
(i32.store offset=24 (global.get $column) (i32.const 65536))
(i32.store offset=28 (global.get $column) (i32.const 100000))

;; ## lists-whose-offsets-fall
;; -> apply invalid: its offsets fall after row 1
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 7))
(global.get $description)
;; @answer
(i32.store offset=4 (global.get $offsets) (i32.const 9))
(i32.store offset=12 (global.get $column) (i32.const 7))
(i32.store offset=24 (global.get $column) (i32.const 3200))

;; ## lists-beyond-their-items
;; -> apply invalid: its offsets do not span its 2 values
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 7))
(global.get $description)
;; @answer
(i32.store offset=8 (global.get $offsets) (i32.const 3))
(i32.store offset=12 (global.get $column) (i32.const 7))
(i32.store offset=24 (global.get $column) (i32.const 3200))

;; ## lists-of-texts-without-offsets
;; -> apply invalid: items: there are no offsets
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 8))
(global.get $description)
;; @answer
(i32.store offset=12 (global.get $column) (i32.const 8))
(i32.store offset=28 (global.get $column) (i32.const 0))

;; ## lists-of-texts-that-are-not-utf8
;; -> apply invalid: items: text column: row 0 is not UTF-8
;; @describe
(i32.store8 offset=16 (global.get $field) (i32.const 8))
(global.get $description)
;; @answer
(i32.store8 (global.get $bytes) (i32.const 255))
(i32.store offset=12 (global.get $column) (i32.const 8))
(i32.store offset=24 (global.get $column) (global.get $offsets))
(i32.store offset=28 (global.get $column) (i32.const 3))
(i32.store offset=32 (global.get $column) (global.get $bytes))

;; ## everything-in-the-same-place
;; -> apply invalid:
;; @answer
(i32.store offset=16 (global.get $column) (global.get $answer))
(i32.store offset=24 (global.get $column) (global.get $answer))
(i32.store offset=16 (global.get $answer) (global.get $answer))

;; ## the-answer-is-its-own-column
;; -> apply invalid:
;; @answer
(i32.store offset=8 (global.get $answer) (global.get $answer))

;; ## every-row-dropped
;; -> fine
;; @answer
(i32.store offset=4 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $answer) (i32.const 0))
(i32.store offset=20 (global.get $column) (i32.const 1))
(i32.store offset=28 (global.get $column) (i32.const 0))

;; ## a-refusal-without-end
;; -> apply refused: refused the batch: aaaaaaaaaa
;; @answer
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 900000))
(i32.store (global.get $answer) (i32.const 1))
(i32.store offset=4 (global.get $answer) (i32.const 65536))
(i32.store offset=8 (global.get $answer) (i32.const 900000))

;; ## a-refusal-that-is-not-utf8
;; -> apply invalid: what it returned cannot be read
;; @answer
(i32.store (global.get $answer) (i32.const 1))
(i32.store8 (i32.const 65536) (i32.const 255))
(i32.store offset=4 (global.get $answer) (i32.const 65536))
(i32.store offset=8 (global.get $answer) (i32.const 1))
