#include "engine/base/decimal.h"
