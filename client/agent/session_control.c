/* SPDX-License-Identifier: MIT */
/* What may be asked of a running session. The table at the end is the list of requests. */
#include "client/agent/report.h"
#include "client/agent/session_state.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <string.h>

static json_t *refuse(const char *sentence)
{
    return json_pack("{s:s}", "error", sentence);
}

static json_t *status_do(struct session *session, struct cr_error *err)
{
    (void)err;
    const char *detail = NULL;
    enum state state = report_last(&detail);
    struct space space;
    char path[PATH_MAX];
    space_look(session, &space);
    const char *version = session->blockd.version;
    const char *top = layers_top(&session->layers, &session->overlay, path);
    return json_pack("{s:s, s:s*, s:s, s:s, s:s, s:I, s:I, s:i}", "state", report_word(state),
                     "detail", detail, "version", version[0] != '\0' ? version : session->image,
                     "base", session->plain[0] != '\0' ? "file" : "service", "overlay", top,
                     "overlay_bytes", (json_int_t)space.taken, "overlay_left_bytes",
                     (json_int_t)space.left, "overlay_percent", (int)space.percent);
}

static json_t *restore_do(struct session *session, struct cr_error *err)
{
    if (!session->started || session->stopping)
        return refuse("going back to the start: the desktop does not run; ask again later");
    if (session->options->keep != NULL)
        return refuse("going back to the start: this session keeps its overlay in a file "
                      "(--overlay-keep); stop it and start it anew");
    return machine_reset(session, "back to the start", err) < 0 ? refuse(err->text)
                                                                : status_do(session, err);
}

/* Whose work it was has left: the next person begins on a clean overlay. */
static json_t *logout_do(struct session *session, struct cr_error *err)
{
    if (session->desktop.overlay != CR_OVERLAY_LOGOUT)
        return status_do(session, err); /* with other modes a logout means nothing */
    if (!session->started || session->stopping)
        return refuse("logging out: the desktop does not run");
    return machine_reset(session, "logout", err) < 0 ? refuse(err->text) : status_do(session, err);
}

static json_t *stop_do(struct session *session, struct cr_error *err)
{
    return session_stop(session, err) < 0 ? refuse(err->text) : status_do(session, err);
}

static const struct request {
    const char *word;
    json_t *(*act)(struct session *session, struct cr_error *err); /* NULL: out of memory */
} requests[] = {
    {"status", status_do},
    {"restore", restore_do},
    {"stop", stop_do},
    {"logout", logout_do},
};

int control_heard(struct session *session, struct cr_error *err)
{
    char text[CR_CONTROL_BYTES_MAX + 1];
    int client = -1;
    while (!session->done && control_next(&session->control, text, &client)) {
        json_t *answer = NULL;
        struct cr_error failed = {""};
        for (size_t i = 0; i < CR_ARRAY_LEN(requests); i++)
            if (strcmp(text, requests[i].word) == 0)
                answer = requests[i].act(session, &failed);
        if (answer == NULL)
            answer = refuse("this agent does not know the request; is it of another release?");
        control_answer(&session->control, client, answer);
        if (failed.text[0] != '\0')
            return cr_error_set(err, -EIO, "%s", failed.text);
    }
    return 0;
}
