// Who may ask at all: a gate for Options::gate that wants one shared token.
// Thread-safety: the gate may be called from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/message.h"
#include "daemon/log/secret.h"

namespace nudge::http {

// Equal, in a time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Lets requests through that carry "Authorization: Bearer TOKEN", and those whose decoded path is in `open_paths` (health).
// An open path that ends with a slash opens all below it. Others get 401, before their body is read. An empty token lets everybody through. Tokens in the query are never looked at.
std::function<std::optional<Response>(const Request&)> bearer_gate(Secret token, std::vector<std::string> open_paths);

}  // namespace nudge::http
