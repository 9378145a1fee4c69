#include "connectors/smtp/smtp.h"

NUDGE_CONNECTOR(nudge::connectors::Smtp)
