#include "engine/core/explain.h"
