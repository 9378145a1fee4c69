#include "engine/model/input.h"
