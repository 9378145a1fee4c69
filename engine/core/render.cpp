#include "engine/core/render.h"
