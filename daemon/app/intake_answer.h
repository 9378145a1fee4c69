// What every door answers: how each document of a request ended, or why nothing was taken in. Pure functions.
#pragma once

#include "daemon/app/json.h"
#include "daemon/http/message.h"
#include "daemon/runtime/unit.h"

namespace nudge::daemon {

// The answer to a job that is through: of one document by itself when job.single, else of all. `all`: results of those that were stored
// too.
http::Response answer_intake(const Job& job, bool all);
// Nothing was taken in, as Runtime::ingest says: 429 with a full queue, 503 without space, 400 and 413 for the frame.
http::Response refuse_intake(const Error& error);
// Whether that passes in a moment by itself.
bool is_queue_full(const Error& error);
// While nudge starts or stops: 503.
http::Response intake_not_ready();
// One entry of `results`.
void write_line(Json& json, std::size_t index, const LineResult& result);

}  // namespace nudge::daemon
