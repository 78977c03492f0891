/* SPDX-License-Identifier: MIT
 *
 * The AVX-512 kernel of ChaCha20-Poly1305 on the model of its instructions.
 */
#include "model.h"

#define aead_avx512 aead_avx512_model

#include "../../src/crypto/aead_avx512.c"
