#include "connectors/sms/sms.h"

NUDGE_CONNECTOR(nudge::connectors::Sms)
