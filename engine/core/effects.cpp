#include "engine/core/effects.h"
