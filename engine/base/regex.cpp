#include "engine/base/regex.h"
