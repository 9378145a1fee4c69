#include "engine/base/time.h"
