#include "engine/plan/plan.h"
