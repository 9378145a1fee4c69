#include "connectors/ticket/ticket.h"

NUDGE_CONNECTOR(nudge::connectors::TicketConnector)
