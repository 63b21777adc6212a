/* Arduino looks for headers here. SPDX-License-Identifier: Apache-2.0 */
#include "../include/sezoo_denoiser.h"
