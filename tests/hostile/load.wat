;; Files that are not what they should be.

;; ## a-core-module
;; -> load: component: it is a core module, not a component
;; @whole
(module (func (export "describe") (result i32) (i32.const 0)))

;; ## a-component-in-a-component
;; -> load: component: it does not export "describe"
;; @whole
(component (component))

;; ## components-nested-too-deeply
;; -> load: component: its modules and components are nested too deeply: more than 8
;; @whole
(component (component (component (component (component (component
  (component (component (component (component))))))))))

;; ## instances-that-double
;; -> load: component: it starts too many components of its own: more than 8
;; @whole
(component
  (component $a)
  (component $b (component $a) (instance (instantiate $a)) (instance (instantiate $a)))
  (component $c (component $a (component $b) (instance (instantiate $b)) (instance (instantiate $b)))
    (instance (instantiate $a)) (instance (instantiate $a)) (instance (instantiate $a)))
  (instance (instantiate $b)) (instance (instantiate $b)) (instance (instantiate $c)) (instance (instantiate $c)))

;; ## a-function-without-an-end
;; -> load: component: it is not valid
;; @component
(core module
  (func (result i32) (i64.const 0)))

;; ## a-start-function-that-takes-arguments
;; -> load: component: it is not valid
;; @component
(core module
  (func $begin (param i32))
  (start $begin))
