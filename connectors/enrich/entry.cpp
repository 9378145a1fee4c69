#include "connectors/enrich/enrich.h"

// Its answers travel in nudge_result.result, which hosts have since ABI 1.2.
NUDGE_CONNECTOR_NEEDS(nudge::connectors::Enrich, 2)
