/* SPDX-License-Identifier: MIT
 *
 * X25519's vector kernel on the model of its instructions.
 */
#include "model.h"

#define dh_ifma dh_ifma_model
#define dh_ifma_is_available dh_ifma_model_is_available

#include "../../src/crypto/dh_ifma.c"
