#include "engine/model/value.h"
