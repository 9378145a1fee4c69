#include "connectors/maildrop/maildrop.h"

NUDGE_CONNECTOR(nudge::connectors::Maildrop)
