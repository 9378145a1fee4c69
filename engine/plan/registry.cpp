#include "engine/plan/registry.h"
