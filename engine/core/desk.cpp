#include "engine/core/desk.h"
