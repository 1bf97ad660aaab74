/* SPDX-License-Identifier: MIT */
/* What was found, as HTTP. Each returns a response that the caller destroys; NULL = out of memory.
 */
#pragma once

#include "server/chunkd/routes.h"

/* request->frame: immutable; sent from the cache without a copy. Takes over the frame. */
struct MHD_Response *reply_frame(struct request *request, unsigned *ret_status);

/* request->batch: the answer's header, then the frames, also without a copy. Takes them over. */
struct MHD_Response *reply_batch(struct request *request, unsigned *ret_status);

/* request->text: may change at any time, so it is to be asked for each time, by its hash. */
struct MHD_Response *reply_text(struct request *request, unsigned *ret_status);

/* request->text, kept for ever or to be asked for each time as its space and name say. */
struct MHD_Response *reply_side(struct request *request, unsigned *ret_status);

/* request->refusal and request->err: one sentence. */
struct MHD_Response *reply_refusal(struct request *request, unsigned *ret_status);
