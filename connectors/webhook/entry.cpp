#include "connectors/webhook/webhook.h"

NUDGE_CONNECTOR(nudge::connectors::Webhook)
