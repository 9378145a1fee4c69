#include "engine/base/zone.h"
