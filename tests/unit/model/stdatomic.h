/*
 * The compiler's <stdatomic.h> for the sources that the model runs: before each operation on a word that threads
 * share, the scheduler may switch to another thread (model.h). All are sequentially consistent here: the model
 * explores interleavings, not weak memory.
 */
#ifndef PFSWRAP_TESTS_MODEL_STDATOMIC_H
#define PFSWRAP_TESTS_MODEL_STDATOMIC_H

#include_next <stdatomic.h>

void model_look(const volatile void *word);
void model_touch(const volatile void *word);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak

#if defined(__clang__)
#define MODEL_LOAD(object) __c11_atomic_load(object, __ATOMIC_SEQ_CST)
#define MODEL_STORE(object, value) __c11_atomic_store(object, value, __ATOMIC_SEQ_CST)
#define MODEL_EXCHANGE(object, value) __c11_atomic_exchange(object, value, __ATOMIC_SEQ_CST)
#define MODEL_ADD(object, value) __c11_atomic_fetch_add(object, value, __ATOMIC_SEQ_CST)
#define MODEL_SUB(object, value) __c11_atomic_fetch_sub(object, value, __ATOMIC_SEQ_CST)
#define MODEL_COMPARE(object, expected, value)                                                                     \
    __c11_atomic_compare_exchange_strong(object, expected, value, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#else
#define MODEL_LOAD(object) __atomic_load_n(object, __ATOMIC_SEQ_CST)
#define MODEL_STORE(object, value) __atomic_store_n(object, value, __ATOMIC_SEQ_CST)
#define MODEL_EXCHANGE(object, value) __atomic_exchange_n(object, value, __ATOMIC_SEQ_CST)
#define MODEL_ADD(object, value) __atomic_fetch_add(object, value, __ATOMIC_SEQ_CST)
#define MODEL_SUB(object, value) __atomic_fetch_sub(object, value, __ATOMIC_SEQ_CST)
#define MODEL_COMPARE(object, expected, value)                                                                     \
    __atomic_compare_exchange_n(object, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#endif

#define atomic_load(object) (model_look(object), MODEL_LOAD(object))
#define atomic_load_explicit(object, order) atomic_load(object)
#define atomic_store(object, value) (model_touch(object), MODEL_STORE(object, value))
#define atomic_store_explicit(object, value, order) atomic_store(object, value)
#define atomic_exchange(object, value) (model_touch(object), MODEL_EXCHANGE(object, value))
#define atomic_fetch_add(object, value) (model_touch(object), MODEL_ADD(object, value))
#define atomic_fetch_sub(object, value) (model_touch(object), MODEL_SUB(object, value))
#define atomic_compare_exchange_strong(object, expected, value)                                                    \
    (model_touch(object), MODEL_COMPARE(object, expected, value))
#define atomic_compare_exchange_weak(object, expected, value)                                                      \
    atomic_compare_exchange_strong(object, expected, value)

#endif
