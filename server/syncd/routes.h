/* SPDX-License-Identifier: MIT */
/* The table of requests, and who may ask them. */
#pragma once

#include "server/syncd/syncd.h"

/* Whose store a request works on. */
enum realm {
    REALM_NONE,   /* no store */
    REALM_IMAGES, /* golden images: certificates that may capture */
    REALM_OWNER,  /* the private store of who asks */
};

struct route {
    const char *method;
    const char *path; /* ends with '/': what follows names the object */
    enum realm realm;
    size_t body_max; /* bytes */
    enum cr_kind kind;
    /* Fills in answer or refusal; may wait. */
    void (*answer)(struct request *request);
};

/*
 * Find the route of a request and the store that it works on; where there is none, or who asks may
 * not, a refusal. *request must hold path and visitor.
 */
void route_find(struct request *request, const char *method);
