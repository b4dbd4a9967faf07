// Part of the header above.
#pragma once
#include "../cooperative_groups.h"
